import { requireRights } from '../../auth/scope.ts';
import { OsaError } from '../../error.ts';
import type { Writer } from '../../store.ts';
import type { Sql, Transaction } from '../connection/connect.ts';

/** Answers that are stored under an Idempotency-Key, for a day. */

/**
 * Takes the key of the writer for this transaction, and gives the answer that is stored under it.
 *
 * @throws OsaError `in_progress`, `idempotency_mismatch`, and `access_denied` where a right is lacking that the answer took
 */
export async function storedAnswer<T extends object>(
  tx: Transaction,
  { principal, idempotency }: Writer,
  actor: number,
): Promise<T | undefined> {
  if (!idempotency) return undefined;
  const { key, requestDigest } = idempotency;
  const [lock] = await tx<{ held: boolean }[]>`
    select pg_try_advisory_xact_lock(hashtextextended(${`${actor} ${key}`}, 0)) as held`;
  if (!lock?.held) throw inProgress(key);
  const [stored] = await tx<{ request_digest: string; rights: string[]; response: T }[]>`
    select request_digest, rights, response from idempotency_keys
    where actor = ${actor} and key = ${key} and at > now() - interval '24 hours'`;
  if (!stored) return undefined;
  if (stored.request_digest !== requestDigest) throw otherRequest(key);
  // The rights may have been another token's, or taken away since.
  requireRights(principal, stored.rights);
  return stored.response;
}

export function inProgress(key: string): OsaError {
  const message = `the request with Idempotency-Key ${key} is still under way; wait and repeat it`;
  return new OsaError('in_progress', message);
}

export function otherRequest(key: string): OsaError {
  const message = `Idempotency-Key ${key} was used with another request; take a new key`;
  return new OsaError('idempotency_mismatch', message);
}

/** Forgets stored answers that are older than a day. */
export async function forgetOldAnswers({ sql }: { readonly sql: Sql }): Promise<void> {
  await sql`delete from idempotency_keys where at < now() - interval '24 hours'`;
}
