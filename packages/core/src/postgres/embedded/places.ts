import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { OsaError } from '../../error.ts';
import { systemCode } from '../../system/error.ts';
import { type Account, ourselves, serverAccounts, unreachablePart } from './account.ts';

/** Where an embedded server keeps its things, and the account it runs under. All paths are absolute. */
export interface Places {
  readonly account: Account;
  /** Ours, and not writable by anybody else; the server's account may search it. */
  readonly base: string;
  /** The cluster; below `base`, of the server's account, 0700. */
  readonly data: string;
  /** The directory of the unix socket; of the server's account, 0700. */
  readonly socket: string;
  /** The server's output; below `base`, ours. */
  readonly log: string;
}

/** The name of the socket's file is fixed by its port; nothing listens on the port itself. */
export const socketPort = 5432;

/** Linux allows 107 bytes for a socket's path and macOS 103; the rest is a margin. */
const longestSocketPath = 99;

/** The names of all that is put into a base. */
const madeHere = /^(data|data\.unfinished|socket|server\.log|server\.log\.1|binaries-.*)$/;

/**
 * Finds or makes the places of the server for a directory.
 *
 * They are in `<directory>/postgres`. For root, where the server's account cannot search the directory (a home of
 * mode 0700), they are in the directory's private place below /var/tmp instead. Its name follows from the directory, so
 * that the next start finds the data again. Where there is data already, it decides.
 *
 * @param directory absolute; made when missing
 * @throws OsaError `invalid` for a relative directory, `unavailable` when a place is not ours or cannot be reached
 */
export async function preparePlaces(directory: string): Promise<Places> {
  if (!isAbsolute(directory)) {
    throw new OsaError('invalid', `directory: "${directory}" is relative; pass an absolute path`, {
      field: 'directory',
    });
  }
  const real = await makeDirectory(directory);
  const [account, base] = (await existingHome(real)) ?? (await freshHome(real));
  await ensureOurs(base, account);
  const socket = await prepareSocket(real, base, account);
  return { account, base, data: dataBelow(base), socket, log: join(base, 'server.log') };
}

/** The directories that may hold the data of a directory's server; each may be missing. Nothing else is made. */
export async function possibleBases(directory: string): Promise<readonly [string, string]> {
  const real = await realpathOfMissing(directory);
  return [join(real, 'postgres'), privatePlace(real)];
}

export function dataBelow(base: string): string {
  return join(base, 'data');
}

/**
 * Removes from a base what was made for the server, and the base unless other things are in it. Refuses one that
 * is not ours, and does nothing when it is missing.
 */
export async function removeBase(base: string): Promise<void> {
  if (!(await exists(base))) {
    return;
  }
  await refuseUnlessOurs(base);
  const names = await readdir(base);
  const made = names.filter((name) => madeHere.test(name));
  for (const name of made) {
    // The last processes of a server that was killed may still write files while theirs are deleted.
    await rm(join(base, name), { recursive: true, force: true, maxRetries: 10 });
  }
  if (made.length === names.length) {
    await rmdir(base);
  }
}

export async function exists(path: string): Promise<boolean> {
  return (await lstatIfThere(path)) !== undefined;
}

/** The base whose data exists, with the account that owns the data. */
async function existingHome(real: string): Promise<readonly [Account, string] | undefined> {
  for (const base of await possibleBases(real)) {
    const data = await lstatIfThere(dataBelow(base));
    if (data !== undefined) {
      const account = (await serverAccounts()).find(({ uid }) => uid === data.uid);
      if (account === undefined) {
        throw refusal(dataBelow(base), `it belongs to uid ${data.uid}; start as the user who made it`);
      }
      await refuseUnreachable(account, dirname(base));
      return [account, base];
    }
  }
  return undefined;
}

async function freshHome(real: string): Promise<readonly [Account, string]> {
  const [account] = await serverAccounts();
  const [inPlace, elsewhere] = await possibleBases(real);
  return [account, (await unreachablePart(account, real)) === undefined ? inPlace : elsewhere];
}

/** Starting an empty cluster elsewhere would look as if all data were lost, so data out of reach is refused. */
async function refuseUnreachable(account: Account, path: string): Promise<void> {
  const part = await unreachablePart(account, path);
  if (part !== undefined) {
    throw refusal(
      path,
      `uid ${account.uid}, which runs the server, may not search ${part}: chmod a+x ${part}`,
    );
  }
}

/**
 * The server trusts everybody who reaches its socket, so the socket's directory is the lock on the door. It belongs to
 * the server's account with mode 0700: that account makes the socket in it, and of all others only root gets
 * through. We are either root or the account itself. The group gets nothing, since accounts such as `daemon` may
 * share their group with other programs.
 */
async function prepareSocket(real: string, base: string, account: Account): Promise<string> {
  const fits = Buffer.byteLength(join(base, 'socket', `.s.PGSQL.${socketPort}`)) <= longestSocketPath;
  const parent = fits ? base : privatePlace(real);
  await ensureOurs(parent, account);
  const socket = join(parent, 'socket');
  await ensureServers(socket, account);
  return socket;
}

/** Makes a directory for the server alone, inside one that only we can write. */
export async function ensureServers(path: string, account: Account): Promise<void> {
  await mkdirIfMissing(path);
  if (account.uid !== ourselves().uid) {
    await chown(path, account.uid, account.gid);
  }
  await chmod(path, 0o700);
}

/** Makes a directory that only we can write, and that the server's account, through its group, can search. */
async function ensureOurs(path: string, account: Account): Promise<void> {
  await mkdirIfMissing(path);
  await refuseUnlessOurs(path);
  if (account.uid !== ourselves().uid) {
    await chown(path, ourselves().uid, account.gid);
    await chmod(path, 0o710);
  }
}

/**
 * Anybody can make a directory or a link of any name in /var/tmp before us. One that we own and that nobody else
 * can write was made by us, and the sticky bit keeps others from replacing it after this look.
 */
async function refuseUnlessOurs(path: string): Promise<void> {
  const found = await lstat(path);
  const { uid } = ourselves();
  if (!found.isDirectory()) {
    throw refusal(path, 'it is not a directory; move it away');
  }
  if (found.uid !== uid) {
    throw refusal(path, `it belongs to uid ${found.uid}, not to ${uid}; move it away or start as its owner`);
  }
  if ((found.mode & 0o022) !== 0) {
    throw refusal(path, `others can write it; if its contents can be trusted, chmod go-w ${path}`);
  }
}

function privatePlace(real: string): string {
  const name = createHash('sha256').update(real).digest('hex').slice(0, 24);
  return `/var/tmp/osa-${ourselves().uid}-${name}`;
}

async function makeDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true });
    return await realpath(path);
  } catch (error) {
    throw refusal(path, 'it cannot be made', error);
  }
}

async function mkdirIfMissing(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') {
      throw refusal(path, 'it cannot be made', error);
    }
  }
}

async function lstatIfThere(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return undefined;
    }
    throw refusal(path, 'it cannot be read', error);
  }
}

async function realpathOfMissing(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) {
      throw error;
    }
    return join(await realpathOfMissing(dirname(path)), basename(path));
  }
}

function refusal(path: string, why: string, cause?: unknown): OsaError {
  return new OsaError('unavailable', `The embedded PostgreSQL cannot use ${path}: ${why}`, {
    details: { path },
    cause,
  });
}
