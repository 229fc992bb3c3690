import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { lstat, mkdir, readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { gitIn } from '@osa/core/system/git';
import { writeNew } from './new-file.ts';

/**
 * Decides whether a directory may be the one of `osad --dev`. A cloned repository can bring a `.osa/` of its own:
 * links to directories that would be emptied, programs that would be run, a key whose author knows it. So a directory
 * with contents must carry a mark that only this user on this machine can make.
 */

const markFile = 'made-here';

interface Where {
  readonly environment: NodeJS.ProcessEnv;
  /** Take over a directory without a mark, such as a copy that the user made. */
  readonly adopt: boolean;
}

/**
 * Checks a directory that exists, and marks it when it is empty or adopted. Nothing in it is followed, run or removed.
 *
 * @throws OsaError `usage` that names the path and says what to do
 */
export async function claimDirectory(path: string, { environment, adopt }: Where): Promise<void> {
  const found = await lstat(path, { bigint: true });
  if (found.isSymbolicLink())
    throw refusal(path, 'it is a symbolic link; remove the link, or name its target');
  if (!found.isDirectory()) throw refusal(path, 'it is not a directory');
  requireOurs(path, found);
  const mark = await expectedMark(environment, found.ino);
  const names = (await readdir(path)).filter((name) => !name.startsWith(markFile));
  if (names.length > 0 && !adopt && !(await hasMark(path, mark))) {
    throw refusal(
      path,
      'it was not made by osad on this machine for this user, so it may hold links, programs or a key of somebody ' +
        `else; move it away (mv ${path} ${path}.old), or, if you copied it yourself, start once with --adopt`,
    );
  }
  await requirePlain(path);
  await requireUntracked(path, environment);
  if (adopt && !(await hasMark(path, mark)))
    await writeNew(join(path, markFile), mark, 0o600, { replace: true });
  if (!adopt) await writeNew(join(path, markFile), mark, 0o600);
}

/** Refuses links in the directory and in the directories that it holds, and what belongs to somebody else. */
async function requirePlain(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const place = join(path, entry.name);
    if (entry.isSymbolicLink()) throw linkRefusal(place);
    requireOurs(place, await lstat(place, { bigint: true }));
    if (!entry.isDirectory()) continue;
    for (const inner of await readdir(place, { withFileTypes: true })) {
      if (inner.isSymbolicLink()) throw linkRefusal(join(place, inner.name));
    }
  }
}

function requireOurs(path: string, { uid, mode }: { readonly uid: bigint; readonly mode: bigint }): void {
  const own = process.getuid?.();
  if (own === undefined) return;
  if (uid !== BigInt(own)) throw refusal(path, `it belongs to uid ${uid}, not to ${own}; start as its owner`);
  if ((mode & 0o022n) !== 0n) throw refusal(path, `others can write it; run: chmod go-w ${path}`);
}

/** Files that git keeps come with each clone. Without git, or outside a repository, nothing is tracked. */
async function requireUntracked(path: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const git = gitIn(dirname(path), environment);
  const { stdout } = await git('ls-files', '-z', '--cached', '--', basename(path));
  const [first] = stdout.toString('utf8').split('\0');
  if (!first) return;
  throw refusal(path, `git tracks files in it, such as ${first}; run: git rm -r --cached ${basename(path)}`);
}

async function hasMark(path: string, mark: string): Promise<boolean> {
  const file = join(path, markFile);
  const found = await lstat(file).catch(() => undefined);
  if (!found?.isFile() || found.size !== mark.length) return false;
  return timingSafeEqual(Buffer.from(await readFile(file, 'latin1'), 'latin1'), Buffer.from(mark, 'latin1'));
}

/** Bound to the directory's inode: a mark that leaked does not fit another directory. A rename keeps it. */
async function expectedMark(environment: NodeJS.ProcessEnv, inode: bigint): Promise<string> {
  return `${createHmac('sha256', await userSecret(environment))
    .update(`osad --dev ${inode}`)
    .digest('hex')}\n`;
}

/** A secret of this user on this machine, made at the first start. */
async function userSecret(environment: NodeJS.ProcessEnv): Promise<string> {
  const place = await stateDirectory(environment);
  requireOurs(place, await lstat(place, { bigint: true }));
  const path = join(place, 'dev-secret');
  await writeNew(path, `${randomBytes(32).toString('hex')}\n`, 0o600);
  const secret = await readFile(path, 'latin1');
  if (secret.length < 64) throw refusal(path, 'it does not hold the secret that osad wrote; remove it');
  return secret;
}

/** `$XDG_STATE_HOME/osa`, else `~/.local/state/osa`; below /var/tmp where there is no home that can be written. */
async function stateDirectory({ XDG_STATE_HOME, HOME }: NodeJS.ProcessEnv): Promise<string> {
  const home = join(XDG_STATE_HOME || join(HOME || homedir(), '.local', 'state'), 'osa');
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    return home;
  } catch (error) {
    if (!['EACCES', 'EROFS', 'ENOENT', 'EPERM', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error;
  }
  const elsewhere = `/var/tmp/osa-${process.getuid?.() ?? 'user'}-state`;
  await mkdir(elsewhere, { mode: 0o700 }).catch((error: unknown) => {
    if (systemCode(error) !== 'EEXIST') throw error;
  });
  if ((await lstat(elsewhere)).isSymbolicLink()) throw linkRefusal(elsewhere);
  return elsewhere;
}

function linkRefusal(path: string): OsaError {
  return refusal(path, 'it is a symbolic link, and osad makes none there; remove it');
}

function refusal(path: string, why: string): OsaError {
  return new OsaError('usage', `osad --dev cannot use ${path}: ${why}`, {
    field: '--dir',
    details: { path },
  });
}
