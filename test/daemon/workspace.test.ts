import { spawn } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runner } from '@osa/core/run/runner';
import { holdWorkspace, sweepDead, workspaceName } from '@osa/daemon/worker/workspace';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { scratch, until } from '../support/database/database.ts';

let place: Awaited<ReturnType<typeof scratch>>;
let swept: string[];
beforeEach(async () => {
  place = await scratch();
  swept = [];
});
afterEach(() => place.dispose());

const runner: Runner = {
  name: 'test',
  runtimes: ['image'],
  run: () => Promise.reject(new Error('nothing runs here')),
  sweep: async (workspace) => {
    swept.push(workspace);
    return 0;
  },
};

const workspace = (name = workspaceName()) => join(place.path, name);

test('is removed with its lock when its daemon ends in peace', async () => {
  const held = await holdWorkspace(workspace());
  expect(await readdir(place.path)).toHaveLength(2);
  await held[Symbol.asyncDispose]();
  expect(await readdir(place.path)).toEqual([]);
});

test('is swept and removed by the next daemon when its own was killed, and never while it lives', async () => {
  const [dead, own] = [workspace(), workspace()];
  const killed = spawn(process.execPath, [
    join(import.meta.dirname, '../support/fixtures', 'hold-workspace.ts'),
    dead,
  ]);
  const isHeld = async () =>
    (await readdir(place.path)).some((name) => join(place.path, name) === `${dead}.lock`);
  await until('the other daemon to hold its workspace', isHeld);
  await mkdir(join(dead, 'attempt'));
  await using _own = await holdWorkspace(own);
  // A lock of another machine, about which nothing is known here.
  await writeFile(workspace('0000ffff-elsewhere.lock'), '');

  expect(await sweepDead([runner], own)).toBe(0);
  killed.kill('SIGKILL');
  await new Promise((resolve) => killed.once('exit', resolve));
  expect(await sweepDead([runner], own)).toBe(1);
  expect(new Set(swept)).toEqual(new Set([dead]));
  expect((await readdir(place.path)).sort()).toEqual(
    [own, `${own}.lock`, workspace('0000ffff-elsewhere.lock')]
      .map((path) => path.slice(place.path.length + 1))
      .sort(),
  );
});
