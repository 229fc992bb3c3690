import type { createPrivateKey, createPublicKey, KeyObject } from 'node:crypto';
import { OsaError } from '../error.ts';
import { parseExactJson } from '../json/exact.ts';
import { parseJson } from '../json/parse.ts';

type KeyInput = Parameters<typeof createPrivateKey>[0] & Parameters<typeof createPublicKey>[0];

/** One block, with nothing before, behind or within it that a reader might skip. */
const onePem = /^-----BEGIN ([A-Z ]+)-----\s[A-Za-z0-9+/=\s]+-----END \1-----$/;

/** The key of one PEM block or one JWK. @throws OsaError `credentials` */
export function parseKey(text: string, source: string, read: (input: KeyInput) => KeyObject): KeyObject {
  try {
    const trimmed = text.trim();
    // Strictly, so that no name stands twice.
    if (trimmed.startsWith('{')) return read({ key: parseJson(trimmed), format: 'jwk' } as never);
    if (!onePem.test(trimmed)) throw new TypeError('not one PEM block');
    return read({ key: trimmed, format: 'pem' } as KeyInput);
  } catch (cause) {
    // The cause of a JSON error quotes the text, and the text is a secret.
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw new OsaError(
      'credentials',
      `${source}: not one PEM or JWK key and nothing else (${code}); make one with \`osa keys generate\``,
    );
  }
}

/** The `kid` of a JWK that has one; the text has been read as a key. */
export function ownKid(text: string): string | undefined {
  const kid = asJwk(text)?.kid;
  return typeof kid === 'string' && kid !== '' ? kid : undefined;
}

/** The members of a JWK; undefined for PEM. The text has been read as a key. */
export function asJwk(text: string): Readonly<Record<string, unknown>> | undefined {
  const trimmed = text.trim();
  return trimmed.startsWith('{') ? (parseExactJson(trimmed) as Record<string, unknown>) : undefined;
}
