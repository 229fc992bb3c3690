import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { OsaError } from '../../error.ts';
import { systemEnvironment } from '../../system/environment.ts';
import { systemCode } from '../../system/error.ts';
import { spawnIdentity } from './account.ts';
import { serverEnvironment } from './cluster.ts';
import { openLog } from './log.ts';
import { type Places, socketPort } from './places.ts';

/** A running postmaster, started by us or found running. */
export interface Server {
  readonly pid: number;
  /** The directory of its socket. */
  readonly socket: string;
  /** Resolves when it has ended, with how; never rejects. An adopted server is looked at ten times a second. */
  readonly ended: Promise<string>;
  /** Does nothing when it has ended. */
  signal(name: 'SIGINT' | 'SIGQUIT'): Promise<void>;
}

/** The server's `postmaster.pid`, as src/include/utils/pidfile.h of PostgreSQL lays it out. */
export interface PidFile {
  readonly pid: number;
  readonly data: string;
  readonly socket: string;
  readonly status: string;
}

const adoptedPollMs = 100;

/**
 * Starts the server and returns at once; it is not ready then. It is in a session of its own, so that Ctrl-C at
 * the terminal stops the daemon first, which still needs it, and it never keeps our event loop alive.
 */
export async function launch(
  places: Places,
  binaries: string,
  settings: Readonly<Record<string, string>>,
): Promise<Server> {
  const log = await openLog(places.log);
  try {
    const child = spawn(join(binaries, 'bin', 'postgres'), serverArguments(places, settings), {
      ...spawnIdentity(places.account),
      cwd: '/',
      env: serverEnvironment,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    child.unref();
    const ended = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    await once(child, 'spawn');
    const signal = async (name: NodeJS.Signals): Promise<void> => {
      child.kill(name);
    };
    return { pid: child.pid ?? 0, socket: places.socket, ended, signal };
  } catch (cause) {
    throw new OsaError('unavailable', `The embedded PostgreSQL in ${binaries} cannot be started: ${cause}`, {
      cause,
    });
  } finally {
    await log.close();
  }
}

/** The server that runs on the data directory, started by any process. */
export async function findServer(data: string): Promise<Server | undefined> {
  const file = await readPidFile(data);
  if (file === undefined || file.data !== data || !(await isPostmaster(file.pid, data))) {
    return undefined;
  }
  const { pid, socket } = file;
  const signal = async (name: NodeJS.Signals): Promise<void> => {
    if (await isPostmaster(pid, data)) {
      process.kill(pid, name);
    }
  };
  return { pid, socket, ended: endOfStranger(pid, data), signal };
}

/**
 * After a crash the pid in `postmaster.pid` may meanwhile belong to a program of somebody else, for which the
 * server would refuse to start. Where the pid is free, the server replaces the file by itself.
 */
export async function discardForeignPidFile(data: string): Promise<void> {
  const file = await readPidFile(data);
  if (file !== undefined && isAlive(file.pid) && !(await isPostmaster(file.pid, data))) {
    await rm(join(data, 'postmaster.pid'), { force: true });
  }
}

/** The pid file as far as it is written; undefined when there is none. */
export async function readPidFile(data: string): Promise<PidFile | undefined> {
  const text = await readIfThere(join(data, 'postmaster.pid'));
  const [pid = '', directory = '', , , socket = '', , , status = ''] = text?.split('\n') ?? [];
  const number = Number(pid);
  // A pid file may hold a negative number, for a single-user server, which a signal would take for a group.
  return Number.isInteger(number) && number > 1
    ? { pid: number, data: directory, socket, status: status.trim() }
    : undefined;
}

/** Our settings come last and so win: where the server listens is not for the caller to choose. */
function serverArguments(places: Places, settings: Readonly<Record<string, string>>): string[] {
  const all = {
    ...settings,
    listen_addresses: '',
    port: String(socketPort),
    // The setting is a list, in which quotes keep a comma in the path from ending an entry.
    unix_socket_directories: `"${places.socket.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
  };
  return ['-D', places.data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

async function endOfStranger(pid: number, data: string): Promise<string> {
  while (await isPostmaster(pid, data)) {
    await sleep(adoptedPollMs, undefined, { ref: false });
  }
  return 'an unknown exit code, since another process started it';
}

/** Whether the pid is a postgres that was started on the data directory; a zombie is not. */
async function isPostmaster(pid: number, data: string): Promise<boolean> {
  if (process.platform !== 'linux') {
    const { stdout } = await execa('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
      env: systemEnvironment,
      extendEnv: false,
      reject: false,
    });
    return stdout.includes(`postgres -D ${data} `);
  }
  const words = (await readIfThere(`/proc/${pid}/cmdline`))?.split('\0') ?? [];
  return basename(words[0] ?? '') === 'postgres' && words[1] === '-D' && words[2] === data;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // ESRCH: the process of a file below /proc ended while it was read.
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH') {
      return undefined;
    }
    throw error;
  }
}
