import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { isOpenToOthers } from '@osa/core/system/secret-file';
import type { Server, Sources } from './config.ts';

/** The tokens of a login, by the URL of the server that gave them; they are sent to no other. */
export interface Login {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Milliseconds since 1970, by the clock of this machine. */
  readonly expiresAt: number;
}

type Logins = Readonly<Record<string, Login>>;

const mostBytes = 1024 * 1024;

function pathOf({ userDirectory }: Sources): string {
  return join(userDirectory, 'logins.json');
}

/** @throws OsaError `credentials` for a file that others can use, or that is damaged */
export function storedLogin(sources: Sources, { url }: Pick<Server, 'url'>): Login | undefined {
  const logins = readLogins(pathOf(sources));
  return Object.hasOwn(logins, url) ? logins[url] : undefined;
}

/** Stores the login for a server, or forgets it. Only for the holder of `whileLocked`. */
export async function storeLogin(
  sources: Sources,
  { url }: Pick<Server, 'url'>,
  login: Login | undefined,
): Promise<void> {
  const path = pathOf(sources);
  const { [url]: _, ...others } = readLogins(path);
  const logins = login ? { ...others, [url]: login } : others;
  const temporary = `${path}.${randomUUID()}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(logins, undefined, 2)}\n`);
    await file.sync();
    await rename(temporary, path);
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
}

const lockMs = 20_000;
const askMs = 50;

/**
 * Runs `work` while no other osa of this user does: a refresh token that two of them used would end the login. A lock that
 * is older than any refresh takes was left by a program that died.
 *
 * @throws OsaError `busy`
 */
export async function whileLocked<T>(sources: Sources, work: () => Promise<T>): Promise<T> {
  await mkdir(sources.userDirectory, { recursive: true, mode: 0o700 });
  const path = `${pathOf(sources)}.lock`;
  for (let tries = 0; !(await locked(path)); tries += 1) {
    if (tries * askMs > lockMs * 2) {
      throw new OsaError('busy', `another osa holds ${path}; wait for it, or remove the file if none runs`);
    }
    await new Promise((resolve) => setTimeout(resolve, askMs));
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function locked(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > lockMs) await rm(path, { force: true });
    return false;
  }
}

function readLogins(path: string): Logins {
  try {
    const stats = statSync(path);
    if (isOpenToOthers(stats, process.getuid?.())) {
      throw new OsaError(
        'credentials',
        `${path} holds your logins, but others may use it; run: chmod 600 ${path}`,
      );
    }
    if (stats.size > mostBytes) throw new SyntaxError('too long');
    const found: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isLogins(found)) return found;
    throw new SyntaxError('not logins');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return {};
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new OsaError('credentials', `${path} is damaged; remove it and log in again: osa login`, { cause });
  }
}

function isLogins(value: unknown): value is Logins {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every(
      (login: unknown) =>
        typeof login === 'object' &&
        login !== null &&
        'accessToken' in login &&
        typeof login.accessToken === 'string' &&
        'refreshToken' in login &&
        typeof login.refreshToken === 'string' &&
        'expiresAt' in login &&
        typeof login.expiresAt === 'number',
    )
  );
}
