import postgres from 'postgres';
import { OsaError } from '../../error.ts';
import { parseExactJson } from '../../json/exact.ts';
import { currentRequest } from '../../request-context.ts';
import { cancelUnwanted, wantedSignal } from './cancel-unwanted.ts';
import { openClient } from './client.ts';
import { createListening, type Listener } from './listen.ts';
import { createPool, type Pool, type PoolUsage } from './pool.ts';
import { sessionSettings, settingStatement } from './session.ts';
import { commitUnknown, isConnectionLost } from './sqlstate.ts';
import { type Sql, type Statement, sqlTag, whenSettled } from './statement.ts';
import { runTransaction, type Transaction, type TransactionOptions } from './transaction.ts';

export { whileWanted } from './cancel-unwanted.ts';
export type { Listener } from './listen.ts';
export type { Sql } from './statement.ts';
export type { Transaction, TransactionOptions } from './transaction.ts';

/**
 * The one way to PostgreSQL. Everything in it rejects with OsaError `unavailable` when no connection can be had or
 * one is lost, or when a lock or a statement takes too long. Other errors of a statement come as the driver's
 * PostgresError; `sqlstate.ts` distinguishes them.
 */
export interface Database {
  /**
   * For single statements, each in a transaction of its own, on any free connection. When the connection is lost
   * before the answer, `isCommitUnknown` tells so; nothing is sent twice.
   */
  readonly sql: Sql;
  /**
   * Runs `work` in one transaction and resolves when the server has said COMMIT. It fails, and nothing is stored,
   * when `work` does, or a statement of its handle does (caught or not), or was made and not awaited. The handle
   * ends with it: a later statement rejects and is not run.
   *
   * `work` is called again after a deadlock or a serialisation failure, so it changes nothing but the database.
   *
   * @throws OsaError `unavailable`; when the connection was lost between COMMIT and its answer `isCommitUnknown` is
   *   true of it, and the caller reads the state instead of guessing
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * Calls `listener` for every notification on the channel, and with undefined after a lost connection was opened
   * again. The function that comes back ends it.
   */
  listen(channel: string, listener: Listener): Promise<() => Promise<void>>;
  /** How many connections there may be, are lent, and are waited for. */
  usage(): PoolUsage;
  /** Refuses new work, lets what is under way finish for `acquireTimeoutMs`, and cuts the rest. */
  close(): Promise<void>;
}

/** Where the server is. A host with a slash is the directory of a unix socket. */
export interface Endpoint {
  readonly host: string;
  readonly port?: number;
  readonly username?: string;
  readonly password?: string;
  readonly database?: string;
}

export interface ConnectOptions {
  /** `postgres://user:password@host:port/database`; `?host=/directory` for a unix socket, `?sslmode=require`. */
  readonly url: string | Endpoint;
  /** Number of connections, at least 1. `listen` takes one more. */
  readonly max: number;
  /** Seen in pg_stat_activity. */
  readonly applicationName: string;
  /** How long to wait for a free connection, and for the server to accept one; 5,000. */
  readonly acquireTimeoutMs?: number;
  /**
   * The limits that the server keeps for us; 0 for none. 30,000. A connection that owes an
   * answer for 5 s more than this is cut, whatever a transaction set for itself: the server may be gone.
   */
  readonly statementTimeoutMs?: number;
  /** 10,000. */
  readonly lockTimeoutMs?: number;
  /** 30,000. */
  readonly idleInTransactionTimeoutMs?: number;
  /** Gets the server's notices and warnings; without it they are dropped. */
  readonly onNotice?: (notice: postgres.Notice) => void;
}

/**
 * Opens nothing yet: the first statement connects.
 * @throws OsaError `invalid` for a URL that cannot be read
 */
export function connect(options: ConnectOptions): Database {
  const { max, acquireTimeoutMs = 5_000, statementTimeoutMs = 30_000 } = options;
  const maker = makeDriver(options);
  const limits = {
    connectTimeoutMs: acquireTimeoutMs,
    silenceMs: statementTimeoutMs > 0 ? statementTimeoutMs + 5_000 : 0,
    firstStatement: settingStatement(sessionSettings(options)),
  };
  const pool = createPool({ max, acquireTimeoutMs, open: () => openClient(maker, limits) });
  const listening = createListening((onNotify) => openClient(maker, { ...limits, onNotify }));
  const sql = sqlTag(maker, (statement) => {
    statement.handler = (started) => void runAlone(pool, started);
  });
  return {
    sql,
    transaction: (work, settings = {}) => runTransaction(pool, maker, work, settings),
    listen: listening.listen,
    usage: pool.usage,
    close: async () => {
      await Promise.all([listening.close(), pool.close()]);
    },
  };
}

/** Settles the statement in any case, and never rejects itself. */
async function runAlone(pool: Pool, statement: Statement): Promise<void> {
  const wanted = wantedSignal();
  const client = await pool.acquire(wanted).catch((error: unknown) => {
    statement.reject(error);
  });
  if (client === undefined) {
    return;
  }
  const sent = !client.lost.aborted;
  const end = cancelUnwanted(client, wanted);
  whenSettled(statement, (error) => {
    end(() => pool.release(client));
    if (error !== undefined && wanted?.aborted) return wanted.reason;
    return sent && isConnectionLost(error) ? commitUnknown('a statement', error) : error;
  });
  // Other statements than reads are over before anybody could see a name; they must not bear that of another request.
  client.nameAfter(wanted && currentRequest()?.id);
  client.execute(statement);
}

/** A driver that never connects: it reads the options, and statements are built with it. */
function makeDriver(options: ConnectOptions): postgres.Sql {
  const { url, onNotice = () => undefined, applicationName } = options;
  const settings = { application_name: applicationName, ...sessionSettings(options) };
  const fixed = {
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: (options.acquireTimeoutMs ?? 5_000) / 1_000,
    keep_alive: 30,
    fetch_types: true,
    prepare: true,
    onnotice: onNotice,
    connection: settings,
    types: { date: instant, json },
  };
  return typeof url === 'string' ? fromUrl(url, fixed) : postgres({ ...url, ...fixed });
}

function fromUrl(url: string, fixed: postgres.Options<Record<string, postgres.PostgresType>>): postgres.Sql {
  const parsed = URL.parse(url);
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw badUrl();
  }
  const host = parsed.searchParams.get('host');
  const port = parsed.searchParams.get('port');
  parsed.searchParams.delete('host');
  parsed.searchParams.delete('port');
  const place = { ...(host === null ? {} : { host }), ...(port === null ? {} : { port: Number(port) }) };
  try {
    return postgres(parsed.href, { ...fixed, ...place });
  } catch {
    throw badUrl();
  }
}

/** Without the parser's error as its cause: that holds the URL, and with it the password. */
function badUrl(): OsaError {
  return new OsaError(
    'invalid',
    'The database URL cannot be read. It is like postgres://user:password@host:5432/name.',
    { field: 'url' },
  );
}

/**
 * A time is RFC 3339 text in UTC, to the microsecond as PostgreSQL keeps it; a JavaScript Date would cut it to the
 * millisecond. The session's TimeZone is UTC, so the server writes `+00`. A date stays as it is.
 */
const instant = {
  to: 1184,
  from: [1082, 1114, 1184],
  serialize: (value: string | Date) => (value instanceof Date ? value.toISOString() : value),
  parse: (text: string) => text.replace(' ', 'T').replace(/\+00$/, 'Z'),
};

const json = {
  to: 114,
  from: [114, 3802],
  serialize: (value: unknown) => JSON.stringify(value),
  parse: parseExactJson,
};
