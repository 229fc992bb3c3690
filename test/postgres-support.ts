import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database, Endpoint } from '@osa/core/postgres/connection';
import { startEmbedded } from '@osa/core/postgres/embedded';
import postgres from 'postgres';
import { expect } from 'vitest';

export interface TestServer {
  readonly url: string | Endpoint;
  stop(): Promise<void>;
}

/** A server to be rough with: that of `DATABASE_URL`, else one of our own. */
export async function databaseUrl(): Promise<TestServer> {
  const given = process.env.DATABASE_URL;
  if (given !== undefined) {
    return { url: given, stop: async () => undefined };
  }
  const directory = await mkdtemp(join(tmpdir(), 'osa-postgres-'));
  const embedded = await startEmbedded({ directory });
  const stop = async (): Promise<void> => {
    await embedded.stop();
    await embedded.remove();
    await rm(directory, { recursive: true, force: true });
  };
  return { url: embedded.connection, stop };
}

/** With those that its types leave out. */
export interface DriverOptions extends postgres.Options<Record<string, never>> {
  readonly max_pipeline?: number;
  readonly socket?: (options: postgres.ParsedOptions) => Promise<Socket>;
}

/** The bare driver, quiet about notices. */
export function driver(url: string | Endpoint, options: DriverOptions = {}): postgres.Sql {
  const quiet = { onnotice: () => undefined, ...options };
  return typeof url === 'string' ? postgres(url, quiet) : postgres({ ...url, ...quiet });
}

/** Ends the backend and returns when it is gone, and with it all that it had not committed. */
export async function kill(admin: Database, pid: number): Promise<void> {
  const [row] = await admin.sql<{ gone: boolean }[]>`select pg_terminate_backend(${pid}, 10000) as gone`;
  expect(row?.gone).toBe(true);
}

/** The backend that runs a statement with this text; waits until there is one. */
export async function backendThatRuns(admin: Database, text: string): Promise<number> {
  const pid = async (): Promise<number | undefined> => {
    const rows = await admin.sql<{ pid: number }[]>`
      select pid from pg_stat_activity
      where state = 'active' and query like ${`%${text}%`} and pid <> pg_backend_pid()`;
    return rows[0]?.pid;
  };
  await expect.poll(pid, { timeout: 10_000 }).toBeTypeOf('number');
  return (await pid()) ?? 0;
}

export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`it resolved, with ${String(value)}`),
    (error: unknown) => error,
  );
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
