import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { presentLines, readReleased } from '../../scripts/released.ts';

/** Migrations only go forward: a database somewhere was made by each that is released. */

test('no released migration was edited, renamed or taken away', async () => {
  const released = await readReleased();
  expect(released.length).toBeGreaterThanOrEqual(7);
  expect(presentLines().slice(0, released.length)).toEqual(released);
});

test('the list is in the form that sha256sum --check reads', async () => {
  const file = fileURLToPath(
    new URL('../../packages/core/src/postgres/migrations/released.sha256', import.meta.url),
  );
  expect(await readFile(file, 'utf8')).toMatch(/^([0-9a-f]{64} {2}\d{4}_\w+\.sql\n)+$/);
});
