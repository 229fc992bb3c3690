import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';

/** Directories are made, or the reason why not comes at once. */

let place: Awaited<ReturnType<typeof scratch>>;
beforeAll(async () => {
  place = await scratch();
});
afterAll(() => place.dispose());

test('a directory is made with those above it, by several at once', async () => {
  const path = join(place.path, 'a/b/c');
  const made = await Promise.all([1, 2, 3].map(() => makeDirectories(path, 0o700)));
  expect(made).toContain(join(place.path, 'a'));
  expect((await stat(path)).mode & 0o777).toBe(0o700);
  expect(await makeDirectories(path)).toBeUndefined();
});

test('a file in the way is refused', async () => {
  const file = join(place.path, 'file');
  await writeFile(file, '');
  await expect(makeDirectories(file)).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeDirectories(join(file, 'x'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

test.runIf(process.platform === 'linux')('nothing can be made in /proc, and it says so', async () => {
  await expect(makeDirectories('/proc/osa-test/x')).rejects.toMatchObject({ code: 'ENOENT' });
});
