import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { chmod, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineIssuer } from '@osa/core/auth/issuer';
import { readPublicKeys } from '@osa/core/auth/public-keys';
import { readPrivateKey } from '@osa/core/auth/sign-token';
import { OsaError } from '@osa/core/error';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { systemCode } from '@osa/core/system/error';
import { devIssuer } from '../config/start-checks.ts';
import { writeNew } from './new-file.ts';
import { claimDirectory } from './ownership.ts';

/** The file in which clients find a running `osad --dev`. */
export interface DaemonFile {
  readonly pid: number;
  readonly url: string;
  readonly issuer: string;
  readonly audience: string;
  /** Relative to the directory. */
  readonly key_file: string;
  readonly started_at: string;
}

const keyFile = 'dev-key.jwk';

/**
 * Makes the directory of `osad --dev`. Others may enter it, since PostgreSQL runs as another account if the daemon is
 * root; each secret file in it has its own mode.
 *
 * @returns its real path
 * @throws OsaError `usage` for one that is not this user's own (`claimDirectory`)
 */
export async function makeDirectory(
  path: string,
  options: { readonly environment: NodeJS.ProcessEnv; readonly adopt: boolean },
): Promise<string> {
  try {
    const made = await makeDirectories(path);
    if (made !== undefined) await chmod(path, 0o755);
    await claimDirectory(path, options);
    await writeNew(join(path, '.gitignore'), '*\n', 0o644);
    return await realpath(path);
  } catch (cause) {
    if (cause instanceof OsaError) throw cause;
    const code = systemCode(cause) ?? String(cause);
    // Node says ENOENT of directories that cannot be made on a file system that is read-only.
    const why = code === 'ENOENT' ? 'nothing can be made there; is the file system read-only?' : code;
    const next = 'start in a directory that you can write, or name one with --dir';
    throw new OsaError('usage', `--dir: cannot use ${path} (${why}); ${next}`, { cause });
  }
}

/**
 * The issuer of the directory's own key, which the first start makes. The `kid` marks it as a key for development, so
 * that production can refuse it.
 */
export async function ownIssuer(directory: string): Promise<MachineIssuer> {
  const path = join(directory, keyFile);
  const { privateKey } = generateKeyPairSync('ed25519');
  const own = { ...privateKey.export({ format: 'jwk' }), kid: `${devIssuer}-${randomUUID()}` };
  await writeNew(path, `${JSON.stringify(own)}\n`, 0o600);
  await chmod(path, 0o600);
  const { publicJwk, kid } = await readPrivateKey(await readFile(path, 'utf8'), path);
  const keys = await readPublicKeys(JSON.stringify({ ...publicJwk, kid }), path);
  return { issuer: devIssuer, audience: devIssuer, scopeClaim: 'scope', scopes: undefined, keys };
}

/** The worker's name, the same at every start: batches held under it at a start are those of a dead daemon. */
export async function workerName(directory: string): Promise<string> {
  const path = join(directory, 'worker-name');
  await writeNew(path, `dev-${randomUUID()}\n`, 0o600);
  return (await readFile(path, 'utf8')).trim();
}

export async function announceDaemon(directory: string, url: string): Promise<void> {
  const content: DaemonFile = {
    pid: process.pid,
    url,
    issuer: devIssuer,
    audience: devIssuer,
    key_file: keyFile,
    started_at: new Date().toISOString(),
  };
  const temporary = join(directory, `.daemon.json.${process.pid}`);
  await writeFile(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, daemonFile(directory));
}

export async function withdrawDaemon(directory: string): Promise<void> {
  await rm(daemonFile(directory), { force: true });
}

/** The daemon that is announced in a directory, or undefined. */
export async function readDaemonFile(directory: string): Promise<DaemonFile | undefined> {
  try {
    return JSON.parse(await readFile(daemonFile(directory), 'utf8')) as DaemonFile;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function daemonFile(directory: string): string {
  return join(directory, 'daemon.json');
}
