import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { OsaError } from '@osa/core/error';
import type { Database, Endpoint, Sql } from '@osa/core/postgres/connection/connect';
import { isCommitUnknown, isConnectionLost } from '@osa/core/postgres/connection/sqlstate';
import { systemCode } from '@osa/core/system/error';
import postgres from 'postgres';
import { expect } from 'vitest';
import { testDatabase, until } from './database.ts';

/** A database to be rough with. */
export async function databaseUrl(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const database = await testDatabase();
  return { url: database.ownerUrl, stop: () => database.close() };
}

/** With those that its types leave out. */
export interface DriverOptions extends postgres.Options<Record<string, never>> {
  readonly max_pipeline?: number;
  readonly socket?: (options: postgres.ParsedOptions) => Promise<Socket>;
}

/** The bare driver, quiet about notices. */
export function driver(server: string | Endpoint, options: DriverOptions = {}): postgres.Sql {
  const endpoint = typeof server === 'string' ? endpointOf(new URL(server)) : server;
  return postgres({ ...endpoint, onnotice: () => undefined, ...options });
}

/** The bare driver does not know libpq's `?host=`. */
function endpointOf({ hostname, port, username, password, pathname, searchParams }: URL): Endpoint {
  return {
    host: searchParams.get('host') ?? hostname,
    port: Number(searchParams.get('port') ?? (port || 5432)),
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1),
  };
}

/** Ends the backend and returns when it is gone, with all that it had not committed, and we have heard of it. */
export async function kill(admin: Database, pid: number): Promise<void> {
  const [row] = await admin.sql<{ gone: boolean }[]>`select pg_terminate_backend(${pid}, 10000) as gone`;
  expect(row?.gone).toBe(true);
  // The server forgets it a moment before its process ends, and its connections with that. One elsewhere is not seen.
  for (let tries = 0; tries < 200 && isHere(pid); tries += 1) await delay(5);
  await turn();
}

function isHere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/** Until the event loop has gone round, and every socket had its say. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve)));
}

/** The backend that runs a statement with this text; waits until there is one. */
export async function backendThatRuns(admin: Database, text: string): Promise<number> {
  const pid = async (): Promise<number | undefined> => {
    const rows = await admin.sql<{ pid: number }[]>`
      select pid from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()
        and state = 'active' and query like ${`%${text}%`}`;
    return rows[0]?.pid;
  };
  return until(`a backend that runs ${text}`, pid);
}

export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`it resolved, with ${String(value)}`),
    (error: unknown) => error,
  );
}

export async function pidOf(sql: Sql | postgres.ISql): Promise<number> {
  const [row] = await (sql as Sql)<{ pid: number }[]>`select pg_backend_pid() as pid`;
  return row?.pid ?? 0;
}

/** The pool is in order again. */
export async function works(database: Database): Promise<void> {
  expect(await database.sql`select ${1}::int as one`).toEqual([{ one: 1 }]);
  expect(await database.transaction((tx) => tx`select ${2}::int as two`)).toEqual([{ two: 2 }]);
}

/** The one way in which a lost connection is reported; `unknown` when what was sent may be stored. */
export function expectLost(error: unknown, commit: 'unknown' | 'none'): void {
  expect(error).toBeInstanceOf(OsaError);
  expect(error).toMatchObject({ code: 'unavailable' });
  expect(isConnectionLost(error)).toBe(true);
  expect(isCommitUnknown(error)).toBe(commit === 'unknown');
}

export interface Cut {
  readonly text: string;
  readonly when: 'before' | 'after';
  readonly how?: 'close' | 'reset' | 'shutdown';
}

export interface CuttingProxy {
  readonly endpoint: Endpoint;
  /**
   * Cuts the next connection whose client sends `text`: after passing it on, or before; by FIN, by RST, or with
   * the last words of a server that is shut down. It resolves when that has happened.
   */
  cut(at: Cut): Promise<void>;
  close(): Promise<void>;
}

/** A TCP server on loopback that passes everything on to the database, until told to cut. */
export async function cuttingProxy(url: string | Endpoint): Promise<CuttingProxy> {
  const { path, host, port, user, pass, database } = driver(url).options;
  const sockets = new Set<Socket>();
  let rule: (Cut & { readonly done: () => void }) | undefined;

  const join = (client: Socket): void => {
    const server = path
      ? connect({ path })
      : connect({ host: host[0] ?? 'localhost', port: port[0] ?? 5432 });
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    server.pipe(client);
    client.on('end', () => server.end());
    client.on('data', (bytes) => {
      if (rule === undefined || !bytes.includes(rule.text)) {
        server.write(bytes);
        return;
      }
      const { when, how, done } = rule;
      rule = undefined;
      // The server reads what it was sent before it sees the end.
      server.unpipe(client);
      server.end(when === 'after' ? bytes : '');
      server.resume();
      if (how === 'reset') {
        client.resetAndDestroy();
      } else {
        client.end(how === 'shutdown' ? lastWords() : '');
      }
      done();
    });
  };
  const listener = createServer(join);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  const listens = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    endpoint: {
      host: '127.0.0.1',
      port: listens,
      username: String(user),
      password: String(pass ?? ''),
      database: String(database),
    },
    cut: (at) =>
      new Promise((done) => {
        rule = { ...at, done };
      }),
    close: async () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** ErrorResponse of the PostgreSQL protocol, as after pg_terminate_backend. */
function lastWords(): Buffer {
  const fields = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0');
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
