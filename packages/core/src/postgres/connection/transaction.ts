import { setTimeout as delay } from 'node:timers/promises';
import type postgres from 'postgres';
import { OsaError } from '../../error.ts';
import { currentRequest } from '../../request-context.ts';
import { cancelUnwanted, wantedSignal } from './cancel-unwanted.ts';
import { type Client, untilAborted } from './client.ts';
import type { Pool } from './pool.ts';
import {
  commitUnknown,
  databaseError,
  isConnectionLost,
  isSerializationConflict,
  translate,
} from './sqlstate.ts';
import { type Sql, type Statement, sqlTag, whenSettled } from './statement.ts';

/** The handle of one transaction. It ends with the callback that it was given to, and then refuses everything. */
export type Transaction = Sql;

export interface TransactionOptions {
  /** For error messages. */
  readonly name?: string;
  /** Reads only, all of it from one moment. */
  readonly readOnly?: boolean;
  /** How often the callback is called again after a deadlock or serialisation failure; 5. */
  readonly retries?: number;
}

export type Work<T> = (tx: Transaction) => Promise<T>;

export async function runTransaction<T>(
  pool: Pool,
  maker: postgres.Sql,
  work: Work<T>,
  { name = 'transaction', readOnly = false, retries = 5 }: TransactionOptions,
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once({
        pool,
        maker,
        work,
        name,
        begin: readOnly ? 'begin isolation level repeatable read read only' : 'begin',
      });
    } catch (error) {
      if (!isSerializationConflict(error)) {
        throw error;
      }
      if (attempt >= retries) {
        throw conflictError(name, attempt + 1, error);
      }
    }
    await delay(Math.random() * Math.min(10 * 2 ** attempt, 500));
  }
}

interface Attempt<T> {
  readonly pool: Pool;
  readonly maker: postgres.Sql;
  readonly work: Work<T>;
  readonly name: string;
  readonly begin: string;
}

async function once<T>({ pool, maker, work, name, begin }: Attempt<T>): Promise<T> {
  const wanted = wantedSignal();
  const client = await pool.acquire(wanted);
  const end = cancelUnwanted(client, wanted);
  try {
    client.nameAfter(currentRequest()?.id);
    await client.control(begin);
    const handle = openHandle(client, maker, name);
    try {
      const result = await untilAborted(
        call(work, handle.tx),
        wanted ? [client.lost, wanted] : [client.lost],
      );
      await handle.finish();
      await commit(client, name);
      return result;
    } catch (error) {
      throw await handle.abandon(error);
    }
  } finally {
    end(() => pool.release(client));
  }
}

/** An exception of a callback that is not async comes back as a rejection too. */
async function call<T>(work: Work<T>, tx: Transaction): Promise<T> {
  return work(tx);
}

async function commit(client: Client, name: string): Promise<void> {
  client.lost.throwIfAborted();
  const tag = await client.control('commit').catch((error: unknown) => {
    // Only the server's own refusal, over a connection that goes on, says that nothing was stored.
    const refused = databaseError(error) !== undefined && !isConnectionLost(error);
    throw refused ? error : commitUnknown(`the COMMIT of ${name}`, error);
  });
  if (tag !== 'COMMIT') {
    throw new OsaError(
      'internal',
      `The database answered the COMMIT of ${name} with ${tag}: nothing is stored.`,
    );
  }
}

interface Handle {
  readonly tx: Transaction;
  /** Takes no more statements, waits for those under way, and throws the first failure. */
  finish(): Promise<void>;
  /** Takes no more statements, rolls back, and tells which error says why. */
  abandon(error: unknown): Promise<unknown>;
}

function openHandle(client: Client, maker: postgres.Sql, name: string): Handle {
  const made = new Set<Statement>();
  let failure: unknown;
  let ended = false;

  const execute = (statement: Statement): void => {
    whenSettled(statement, (error) => {
      made.delete(statement);
      failure ??= error;
      return error;
    });
    // Nobody may await it; `finish` reports it.
    statement.catch(() => undefined);
    if (ended) {
      statement.reject(client.lost.aborted ? client.lost.reason : endedError(name, statement));
    } else {
      client.execute(statement);
    }
  };
  const tx = sqlTag(maker, (statement) => {
    statement.handler = execute;
    made.add(statement);
  });
  const finish = async (): Promise<void> => {
    ended = true;
    const started = [...made].filter((statement) => statement.executed);
    const forgotten = [...made].find((statement) => !statement.executed && statement.fragment !== true);
    await Promise.allSettled(started);
    if (failure !== undefined) {
      throw failure;
    }
    if (forgotten !== undefined) {
      throw forgottenError(name, forgotten);
    }
  };
  const abandon = async (error: unknown): Promise<unknown> => {
    ended = true;
    await client.control('rollback').catch(() => client.destroy());
    return isSerializationConflict(failure) || isAborted(error) ? (failure ?? error) : translate(error);
  };
  return { tx, finish, abandon };
}

/** 25P02: refused because an earlier statement failed, which is the one to report. */
function isAborted(error: unknown): boolean {
  return databaseError(error)?.code === '25P02';
}

function endedError(name: string, statement: Statement): OsaError {
  return new OsaError(
    'internal',
    `A statement came after the end of ${name} and was not run: ${text(statement)}. Await it in the callback.`,
  );
}

function forgottenError(name: string, statement: Statement): OsaError {
  return new OsaError(
    'internal',
    `A statement of ${name} was made but not awaited, so nothing is stored: ${text(statement)}. ` +
      'Await it, or make it only where it is used.',
  );
}

function conflictError(name: string, attempts: number, cause: unknown): OsaError {
  return new OsaError(
    'unavailable',
    `Other transactions got in the way of ${name} ${attempts} times. Try again.`,
    { cause },
  );
}

function text(statement: Statement): string {
  return statement.strings.join('…').replace(/\s+/g, ' ').trim().slice(0, 120);
}
