import { OsaError } from '../error.ts';
import type { Transaction } from './connection/connect.ts';
import { isLockTimeout, isStatementTimeout } from './connection/sqlstate.ts';

/** How long a command of an operator waits for locks in all. Then its answer says what it waits for. */
export const patienceMs = 1_200;

/**
 * Does `locking`, one statement that may wait for many locks. What is left of the time since the transaction began bounds
 * all of them together.
 *
 * @throws OsaError `busy`, which names `what` is locked
 */
export async function waitingFor<T>(
  tx: Transaction,
  what: string,
  locking: () => PromiseLike<T>,
): Promise<T> {
  const left = `greatest(1, ${patienceMs} - 1000 * extract(epoch from clock_timestamp() - transaction_timestamp()))::integer::text`;
  await tx.unsafe(
    `select set_config('lock_timeout', ${left}, true), set_config('statement_timeout', ${left}, true)`,
  );
  const locked = await (async () => locking())().catch((error: unknown) => {
    if (!isLockTimeout(error) && !isStatementTimeout(error)) throw error;
    throw busy(what, error);
  });
  await tx`set local statement_timeout to default`;
  return locked;
}

/** Nothing was done, since another transaction holds `what`. */
export function busy(what: string, cause?: unknown): OsaError {
  return new OsaError('busy', `another transaction holds ${what}; nothing was changed, so repeat this soon`, {
    details: { waits_for: what },
    cause,
  });
}
