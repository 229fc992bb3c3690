import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { migrations } from '../packages/core/src/postgres/migrations/index.ts';

/**
 * The migrations that databases somewhere were made by, one line each as `sha256sum` writes them. They are never edited: a test
 * and `scripts/release.ts` hold that.
 */
const file = fileURLToPath(
  new URL('../packages/core/src/postgres/migrations/released.sha256', import.meta.url),
);

export async function readReleased(): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\n').filter(Boolean);
}

/** The lines of all migrations of this checkout. */
export function presentLines(): string[] {
  return migrations.map(({ name, sql }) => `${createHash('sha256').update(sql).digest('hex')}  ${name}.sql`);
}

/** Adds the migrations that are not in the list. */
export async function recordReleased(): Promise<void> {
  await writeFile(file, `${presentLines().join('\n')}\n`);
}
