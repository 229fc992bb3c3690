import { createPublicKey, type KeyObject, verify } from 'node:crypto';

/**
 * Ed25519 (RFC 8032) without its grey areas: points of low order are refused, as keys and in signatures, and so are
 * encodings that are not the only one of their value. Node accepts most of these, and with a key of low order anybody
 * can make signatures that hold.
 */

const prime = 2n ** 255n - 19n;
const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n;
const keyBytes = 32;
const signatureBytes = 64;

/** The y coordinates of the eight points of low order, canonical ones. */
const lowOrder: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  prime - 1n,
  littleEndian(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex')),
  littleEndian(Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')),
]);

/** Why 32 bytes are no public key to trust; undefined when they are one. */
export function keyFlaw(bytes: Uint8Array): string | undefined {
  if (bytes.length !== keyBytes) return `it has ${bytes.length} bytes, not ${keyBytes}`;
  const y = yOf(bytes);
  if (y >= prime) return 'it is not the canonical encoding of a point';
  if (lowOrder.has(y)) return 'it is a point of low order, for which anybody can sign';
  return isOnCurve(y) ? undefined : 'it is not a point of the curve';
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
  if (signature.length !== signatureBytes) return false;
  const y = yOf(signature.subarray(0, keyBytes));
  const isCanonical = y < prime && littleEndian(signature.subarray(keyBytes)) < groupOrder;
  return isCanonical && !lowOrder.has(y) && verify(null, message, key, signature);
}

/** The sign of x is the highest bit, and no part of y. */
function yOf(bytes: Uint8Array): bigint {
  return littleEndian(bytes) % 2n ** 255n;
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** Whether there is an x with x² = (y² − 1) / (d·y² + 1); RFC 8032, section 5.1.3, by Euler's criterion. */
function isOnCurve(y: bigint): boolean {
  const d = modulo(-121665n * power(121666n, prime - 2n));
  const square = modulo((y * y - 1n) * power(modulo(d * y * y + 1n), prime - 2n));
  return square === 0n || power(square, (prime - 1n) / 2n) === 1n;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let [square, rest] = [modulo(base), exponent]; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = modulo(result * square);
    square = modulo(square * square);
  }
  return result;
}

function modulo(value: bigint): bigint {
  const rest = value % prime;
  return rest < 0n ? rest + prime : rest;
}
