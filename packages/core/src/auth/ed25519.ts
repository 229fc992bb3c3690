import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';

/**
 * Ed25519 (RFC 8032) without its grey areas: points of low order are refused, as keys and in signatures. So are
 * encodings that are not the only one of their value. Node accepts most of these, and with a key of low order anybody
 * can make signatures that hold.
 */

const keyBytes = 32;
const signatureBytes = 64;

/** Why 32 bytes are no public key to trust; undefined when they are one. */
export function keyFlaw(bytes: Uint8Array): string | undefined {
  if (bytes.length !== keyBytes) return `it has ${bytes.length} bytes, not ${keyBytes}`;
  const point = pointOf(bytes);
  if (!point) return 'it is not the canonical encoding of a point of the curve';
  return point.isSmallOrder() ? 'it is a point of low order, for which anybody can sign' : undefined;
}

/** The 32 bytes of a public key. */
export function keyBytesOf(key: KeyObject): Buffer {
  return Buffer.from(String(key.export({ format: 'jwk' }).x), 'base64url');
}

/** A key of these bytes, whatever they are; see `keyFlaw`. */
export function keyFrom(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** Whether `signature` is one that only the holder of the key can have made. The key has no flaw. */
export function verifyStrictly(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== signatureBytes || !verify(null, message, key, signature)) return false;
  const point = pointOf(signature.subarray(0, keyBytes));
  return point !== undefined && !point.isSmallOrder();
}

/** Undefined for bytes that RFC 8032, section 5.1.3, does not decode, and for encodings beyond the canonical one. */
function pointOf(bytes: Uint8Array): InstanceType<typeof ed25519.Point> | undefined {
  try {
    return ed25519.Point.fromBytes(Uint8Array.from(bytes), false);
  } catch {
    return undefined;
  }
}
