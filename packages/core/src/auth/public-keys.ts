import { createPublicKey } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { OsaError } from '../error.ts';
import { parseJson } from '../json/parse.ts';
import { keyBytesOf, keyFlaw } from './ed25519.ts';
import type { MachineKey } from './issuer.ts';
import { asJwk, ownKid, parseKey } from './key-text.ts';

/**
 * The public keys of a text: PEM, a JWK or a JWK set. `source` names where the text came from, for the error.
 *
 * @throws OsaError `credentials`, also for a private key where a public one belongs, and for one that no signature
 * should be trusted with
 */
export async function readPublicKeys(text: string, source: string): Promise<MachineKey[]> {
  const members = jwkSet(text) ?? text.trim().split(/(?<=-----END [A-Z ]+-----)\s+/);
  if (members.length === 0) throw new OsaError('credentials', `${source}: the set holds no key`);
  const keys = await Promise.all(members.map((member) => publicKey(member, source)));
  const twin = keys.find(({ kid }, index) => keys.findIndex((other) => other.kid === kid) < index);
  if (twin) throw new OsaError('credentials', `${source}: two keys have the kid ${JSON.stringify(twin.kid)}`);
  return keys;
}

async function publicKey(member: string | object, source: string): Promise<MachineKey> {
  const text = typeof member === 'string' ? member : JSON.stringify(member);
  const key = parseKey(text, source, (input) => createPublicKey(input));
  // A private key holds the public one, so it can be read as that.
  if (isPrivate(text)) {
    throw new OsaError('credentials', `${source}: this is a private key; give the daemon the public one`);
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new OsaError('credentials', `${source}: the key is ${key.asymmetricKeyType}, it must be Ed25519`);
  }
  const flaw = keyFlaw(keyBytesOf(key));
  if (flaw !== undefined) throw new OsaError('credentials', `${source}: the key cannot be trusted: ${flaw}`);
  const thumbprint = await calculateJwkThumbprint(key.export({ format: 'jwk' }) as JWK);
  return { key, thumbprint, kid: ownKid(text) ?? thumbprint };
}

/** The members of a JWK set (RFC 7517, section 5); undefined for what is none. */
function jwkSet(text: string): object[] | undefined {
  try {
    const value: unknown = parseJson(text.trim());
    const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : undefined;
    return Array.isArray(keys) ? keys : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a text that has been read as a key is a private one. However a JWK spells the name of its private part, it is
 * parsed here.
 */
function isPrivate(text: string): boolean {
  const jwk = asJwk(text);
  return jwk ? Object.hasOwn(jwk, 'd') : text.includes('PRIVATE KEY');
}
