import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';
import { type StoryArchive, storyArchive } from './story-archive.ts';

/** `osa open` starts a browser only where somebody sees it, and says the address everywhere else. */

let archive: StoryArchive;
let programs: Awaited<ReturnType<typeof scratch>>;
beforeAll(async () => {
  archive = await storyArchive();
  programs = await scratch();
});
afterAll(async () => {
  await archive.close();
  await programs.dispose();
});

/** A screen, and a program that opens pages. */
async function screen(script: string): Promise<Record<string, string>> {
  await writeFile(join(programs.path, 'xdg-open'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { DISPLAY: ':99', PATH: `${programs.path}:/usr/bin:/bin`, CI: '' };
}

test.each([
  ['probe/1', '/api/v1/trace/rows/probe/1'],
  ['probe@2', '/api/v1/trace/releases/probe/2'],
  ['tests:b:c', '/api/v1/trace/sources?convention=tests&source_id=b%3Ac'],
])('without a screen, %s has its address on the server', async (name, path) => {
  const { code, stdout } = await archive.osa(['open', name]);
  expect([code, stdout.trim()]).toEqual([0, `${archive.daemon.url}${path}`]);
  expect(await archive.daemon.send('GET', path)).toMatchObject({ status: 200 });
});

test.skipIf(process.platform !== 'linux')('with a screen, the page is opened', async () => {
  const environment = await screen(`printf %s "$1" > ${programs.path}/opened; env > ${programs.path}/env`);
  const { code, stdout } = await archive.osa(['open', 'probe/1'], { environment, scopes: ['runs:read'] });
  const page = await readFile(join(programs.path, 'opened'), 'utf8');
  expect([code, stdout.trim()]).toEqual([0, `opened ${page}`]);
  expect(await readFile(page, 'utf8')).toMatch(/^<!doctype html>[\s\S]*probe/i);
  expect(await readFile(join(programs.path, 'env'), 'utf8')).not.toContain('OSA_TOKEN');
});

test('in CI, with --url and with --json nothing is started', async () => {
  const environment = await screen(`touch ${programs.path}/started`);
  for (const [argv, more] of [
    [['open', 'probe/1'], { CI: 'true' }],
    [['open', 'probe/1', '--url'], {}],
    [['open', 'probe/1', '--json'], {}],
  ] as const) {
    const { code, stdout } = await archive.osa(argv, { environment: { ...environment, ...more } });
    expect([code, stdout]).toEqual([0, expect.stringContaining('/api/v1/trace/rows/probe/1')]);
  }
  await expect(readFile(join(programs.path, 'started'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test.skipIf(process.platform !== 'linux')('where the program fails, the address is printed', async () => {
  const environment = await screen('exit 3');
  const { code, stdout, stderr } = await archive.osa(['open', 'probe/1'], { environment });
  expect([code, stdout.trim()]).toEqual([0, `${archive.daemon.url}/api/v1/trace/rows/probe/1`]);
  expect(stderr).toContain('xdg-open does not open it');
});

test('what is not there is refused', async () => {
  expect((await archive.osa(['open', 'probe/99'])).code).toBe(1);
});
