import { OsaError } from '../../error.ts';
import { prepareBinaries } from './binaries.ts';
import { ensureCluster, superuser } from './cluster.ts';
import { dataBelow, possibleBases, preparePlaces, removeBase, socketPort } from './places.ts';
import { findServer, type Server } from './server.ts';
import { startOrAdopt } from './start.ts';
import { type StopMode, type Supervisor, supervise } from './supervisor.ts';

export interface EmbeddedOptions {
  /** Absolute; made when missing. The caller holds a lock on it: two starts at once are not told apart here. */
  readonly directory: string;
  /** Told, in a line each, what happens to the server. */
  readonly log?: (line: string) => void;
  /** Settings of postgresql.conf for this start; an adopted server keeps those that it was started with. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Options for postgres.js, which takes a host with a slash for the directory of a unix socket. */
export interface EmbeddedConnection {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly database: string;
}

export interface EmbeddedPostgres {
  /** The connection of the superuser `osa`, without a password. It stays the same when the server is restarted. */
  readonly connection: EmbeddedConnection;
  /** The id of the postmaster that runs, or ran last. */
  readonly pid: number;
  /**
   * Ends the server and the watch over it. `fast` breaks off open transactions and writes a checkpoint;
   * `immediate` leaves recovery to the next start. After 10 s `fast` becomes `immediate`. A second call waits for
   * the first.
   * @throws OsaError `unavailable` when it does not end
   */
  stop(mode?: StopMode): Promise<void>;
  /**
   * Ends the server as `stop` does, and returns when the watch has brought up the next one.
   * @throws OsaError `unavailable` when none is ready within 30 s
   */
  restart(mode?: StopMode): Promise<void>;
  /**
   * Deletes the data and everything else that was made for it, but not the directory.
   * @throws OsaError `conflict` before `stop`
   */
  remove(): Promise<void>;
}

/**
 * Starts PostgreSQL 18 for a directory and watches over it: one that dies is started again, one that outlived the
 * process that started it is adopted, one that crashed recovers. It listens on a unix socket only. It lives on when
 * our process dies, so stop it on the way out.
 *
 * @throws OsaError `invalid` for a relative directory; `unavailable` when there are no binaries for the platform,
 *   a place is not ours, initdb fails, or the server does not answer within 30 s
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { directory, settings = {}, log = () => undefined } = options;
  const places = await preparePlaces(directory);
  const binaries = await prepareBinaries(places);
  if (await ensureCluster(places, binaries)) {
    log(`made a PostgreSQL cluster in ${places.data}`);
  }
  const first = await startOrAdopt({ places, binaries, settings, log });
  const supervisor = supervise({ places, binaries, settings, log }, first);
  return handle(directory, supervisor);
}

/** The server that runs for a directory, started by any process; undefined when there is none. */
export async function findEmbedded(
  directory: string,
): Promise<{ readonly pid: number; readonly connection: EmbeddedConnection } | undefined> {
  const server = await findRunning(directory);
  return server && { pid: server.pid, connection: connectionTo(server.socket) };
}

/**
 * Deletes what a server for the directory has left, its data included; the directory itself may be gone already.
 *
 * @throws OsaError `conflict` while a server runs on the data, `unavailable` when a place is not ours
 */
export async function removeEmbedded(directory: string): Promise<void> {
  const server = await findRunning(directory);
  if (server !== undefined) {
    throw stillRuns(directory, server.pid);
  }
  for (const base of await possibleBases(directory)) {
    await removeBase(base);
  }
}

function handle(directory: string, supervisor: Supervisor): EmbeddedPostgres {
  let stopping: Promise<void> | undefined;
  return {
    connection: connectionTo(supervisor.current().socket),
    get pid() {
      return supervisor.current().pid;
    },
    stop(mode = 'fast') {
      stopping ??= supervisor.stop(mode);
      return stopping;
    },
    async restart(mode = 'fast') {
      await supervisor.restart(mode);
    },
    async remove() {
      if (stopping === undefined) {
        throw stillRuns(directory, supervisor.current().pid);
      }
      await stopping;
      await removeEmbedded(directory);
    },
  };
}

async function findRunning(directory: string): Promise<Server | undefined> {
  for (const base of await possibleBases(directory)) {
    const server = await findServer(dataBelow(base));
    if (server !== undefined) {
      return server;
    }
  }
  return undefined;
}

function stillRuns(directory: string, pid: number): OsaError {
  return new OsaError(
    'conflict',
    `The data for ${directory} cannot be removed while PostgreSQL (process ${pid}) runs on them: stop it first`,
    { details: { pid } },
  );
}

function connectionTo(socket: string): EmbeddedConnection {
  return { host: socket, port: socketPort, username: superuser, database: 'postgres' };
}
