import { createHash } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readOptions } from '@osa/daemon/config/options';
import { careForStorage } from '@osa/daemon/upkeep/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployHook, type TestDaemon, testDaemon } from '../support/daemon-support.ts';

/** `osad storage`, beside a daemon that runs. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  await deployHook(daemon, '// a hook', 'kept');
});
afterAll(() => daemon.close());

const pathOf = (sha256: string) => join(daemon.directory, 'data/blobs', sha256.slice(0, 2), sha256.slice(2));

async function plant(text: string, named = createHash('sha256').update(text).digest('hex')): Promise<string> {
  await mkdir(dirname(pathOf(named)), { recursive: true });
  await writeFile(pathOf(named), text);
  const longAgo = new Date(Date.now() - 48 * 3_600_000);
  await utimes(pathOf(named), longAgo, longAgo);
  return named;
}

async function run(...argv: string[]): Promise<{ code: number; text: string }> {
  const options = readOptions(['storage', ...argv]);
  if (options.command !== 'storage') throw new Error('another command');
  let text = '';
  const code = await careForStorage({
    url: daemon.database.ownerUrl,
    environment: { OSA_DATA_DIR: join(daemon.directory, 'data') },
    config: undefined,
    work: options.work,
    write: async (part) => {
      text += part;
    },
  });
  return { code, text };
}

test('check says that all is well, or what is not; gc removes what nothing needs', async () => {
  expect(await run('check')).toMatchObject({
    code: 0,
    text: expect.stringMatching(
      /^osad: 1 blobs of \d+ bytes read: 0 missing, 0 damaged, 0 unread, 0 unknown, 0 foreign\n$/,
    ),
  });
  const unknown = await plant('nobody knows this');
  const damaged = await plant('not what it says', 'a'.repeat(64));
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  await sql`insert into files (sha256, size, actor) select ${'b'.repeat(64)}, 1, min(id) from actors`;
  const checked = await run('check', '--json');
  const lines = checked.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(checked.code).toBe(1);
  expect(lines.slice(0, -1).map(({ kind, name }) => [kind, name])).toEqual(
    expect.arrayContaining([
      ['unknown', unknown],
      ['damaged', damaged],
      ['missing', 'b'.repeat(64)],
    ]),
  );
  expect(lines.at(-1)).toMatchObject({ blobs: 3, missing: 1, damaged: 1, foreign: 0 });
  expect(await run('check', '--no-read')).toMatchObject({ code: 1 });
  expect((await run('gc', '--plan')).text).toContain(`would remove ${unknown} (17 bytes)`);
  const cleaned = await run('gc', '--grace-hours', '1');
  expect(cleaned).toMatchObject({ code: 0, text: expect.stringContaining(`removed ${unknown}`) });
  // The row that was added a moment ago had bytes that nobody used.
  expect(await run('check')).toMatchObject({ code: 0 });
});

test.each([
  [[]],
  [['other']],
  [['check', 'more']],
  [['check', '--plan']],
  [['gc', '--no-read']],
  [['gc', '--grace-hours', '0']],
  [['gc', '--grace-hours', 'x']],
  [['gc', '--port', '1']],
])('refuses osad storage %j', (argv) => {
  expect(() => readOptions(['storage', ...argv])).toThrow(expect.objectContaining({ code: 'usage' }));
});

test('needs to know where the bytes are', async () => {
  const options = readOptions(['storage', 'check']);
  if (options.command !== 'storage') throw new Error('another command');
  const care = careForStorage({
    url: daemon.database.ownerUrl,
    environment: {},
    config: undefined,
    work: options.work,
    write: async () => undefined,
  });
  await expect(care).rejects.toMatchObject({ code: 'usage', field: 'OSA_DATA_DIR' });
});
