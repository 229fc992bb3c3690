import { OsaError } from '../error.ts';
import type { Transaction } from './connection/connect.ts';
import { isLockTimeout, isStatementTimeout } from './connection/sqlstate.ts';

/** How long a command of an operator waits for locks in all. Then its answer says what it waits for. */
const patienceMs = 1_500;

/** The rest of the wait since the transaction began; a lock that is free is always taken. */
const left = `greatest(100, ${patienceMs} - 1000 * extract(epoch from clock_timestamp() - transaction_timestamp()))::integer::text`;

/**
 * Does `locking`, a statement that waits for each lock for the time that is left at most. Its work takes as long as it takes.
 *
 * @throws OsaError `busy`, which names `what` is locked
 */
export async function waitingFor<T>(
  tx: Transaction,
  what: string,
  locking: () => PromiseLike<T>,
): Promise<T> {
  // Sent first, and not waited for: what comes after it comes on the same connection.
  const limited = tx.unsafe(`select set_config('lock_timeout', ${left}, true)`).execute();
  const [, locked] = await naming(what, () => Promise.all([limited, locking()]));
  return locked;
}

/** The same for a statement that takes locks and does nothing else: all of it takes that time at most. */
export async function waitingForAll<T>(
  tx: Transaction,
  what: string,
  locking: () => PromiseLike<T>,
): Promise<T> {
  await tx.unsafe(
    `select set_config('lock_timeout', ${left}, true), set_config('statement_timeout', ${left}, true)`,
  );
  const locked = await naming(what, locking);
  await tx`set local statement_timeout to default`;
  return locked;
}

async function naming<T>(what: string, locking: () => PromiseLike<T>): Promise<T> {
  try {
    return await locking();
  } catch (error) {
    if (isLockTimeout(error) || isStatementTimeout(error)) throw busy(what, error);
    throw error;
  }
}

/** Nothing was done, since another transaction holds `what`. */
export function busy(what: string, cause?: unknown): OsaError {
  return new OsaError('busy', `another transaction holds ${what}; nothing was changed, so repeat this soon`, {
    details: { waits_for: what },
    cause,
  });
}
