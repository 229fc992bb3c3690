import { createHmac, timingSafeEqual } from 'node:crypto';
import { asOsaError } from '../error.ts';
import { parseJson } from '../json/parse.ts';
import type { JsonValue } from '../json/value.ts';

/**
 * Tokens as they arrive: JWS in compact form (RFC 7515), read so strictly that there is one reading only. Whatever is
 * wrong throws `TokenFlaw`, whose text is for the log: it holds nothing of the token.
 */

/** A flaw of a token, for the log of the daemon; outside all flaws look alike. */
export class TokenFlaw extends Error {
  override readonly name = 'TokenFlaw';
  readonly isExpired: boolean;

  constructor(message: string, { isExpired = false }: { readonly isExpired?: boolean } = {}) {
    super(message);
    this.isExpired = isExpired;
  }
}

/** The largest token; anything longer is not one of ours. */
const tokenBytes = 8 * 1024;

export type JsonObject = { readonly [key: string]: JsonValue };

export interface CompactToken {
  readonly header: TokenHeader;
  readonly payload: Buffer;
  /** The bytes that were signed. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

export interface TokenHeader {
  readonly alg: string;
  readonly kid: string | undefined;
  /** Whether its `typ` says that it is an access token (RFC 9068). */
  readonly isAccessToken: boolean;
}

/** `tolerated` are members of the header that are there and not read. @throws TokenFlaw */
export function readCompact(token: string, tolerated: readonly string[] = []): CompactToken {
  if (token.length > tokenBytes) throw new TokenFlaw('it is too long');
  const parts = token.split('.');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) throw new TokenFlaw('it has not three parts');
  return {
    header: readHeader(decode(header), tolerated),
    payload: decode(payload),
    signed: Buffer.from(`${header}.${payload}`, 'ascii'),
    signature: decode(signature),
  };
}

/** One JSON object, without duplicate names, at most 16 levels deep. @throws TokenFlaw */
export function readObject(bytes: Uint8Array, what: string): JsonObject {
  const value = parse(bytes, what);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new TokenFlaw(`the ${what} is not an object`);
}

export function hmacSha256(secret: Uint8Array, { signed, signature }: CompactToken): boolean {
  const expected = createHmac('sha256', secret).update(signed).digest();
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}

/** Base64url without padding, in the one spelling that its bytes have (RFC 7515, section 2). */
function decode(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw new TokenFlaw('a part is not canonical base64url');
  return bytes;
}

/** Members that bring a key, or change how the rest is read. */
const refusedMembers = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'x5t', 'x5t#S256', 'zip', 'cty', 'enc'];
const accessToken = 'at+jwt';
const types = ['jwt', accessToken];

function readHeader(bytes: Uint8Array, tolerated: readonly string[]): TokenHeader {
  const header = readObject(bytes, 'header');
  const refused = refusedMembers.find((name) => Object.hasOwn(header, name) && !tolerated.includes(name));
  if (refused !== undefined) throw new TokenFlaw(`its header has ${refused}`);
  const { alg, typ, kid } = header;
  if (typeof alg !== 'string') throw new TokenFlaw('its header names no alg');
  const type = typeof typ === 'string' ? typ.toLowerCase() : '';
  if (Object.hasOwn(header, 'typ') && !types.includes(type)) {
    throw new TokenFlaw('its typ is not JWT or at+jwt');
  }
  if (Object.hasOwn(header, 'kid') && typeof kid !== 'string') throw new TokenFlaw('its kid is not text');
  return { alg, kid: typeof kid === 'string' ? kid : undefined, isAccessToken: type === accessToken };
}

function parse(bytes: Uint8Array, what: string): JsonValue {
  try {
    return parseJson(bytes, { maxDepth: 16 });
  } catch (error) {
    if (!asOsaError(error)) throw error;
    throw new TokenFlaw(`the ${what} is not JSON that can be read in one way`);
  }
}
