import type { Answer } from '@osa/core/api';
import { expect, test } from 'vitest';
import { createCliWorld, startFakeServer } from '../../support/fixtures/cli-world.ts';

const now = '2026-03-01T12:00:00Z';
const fine: Answer<'status'> = {
  ok: true,
  version: '0.1.0',
  domain: 'data.example.org',
  now,
  started_at: '2026-02-26T12:00:00Z',
  database: { version: '18.1', bytes: 2 ** 30, migration: '0001_initial' },
  disk: { total_bytes: 2 ** 40, free_bytes: 2 ** 39 },
  workers: [{ name: 'one', runtimes: ['image'] }],
  queue: { complete: true, conventions: [] },
  failing: [],
  stale: { records: 0, rows: 0, hooks: [] },
  paused: { hooks: [], ingestions: [] },
  recalls: [],
  needs: [],
};
const broken: Answer<'status'> = {
  ...fine,
  ok: false,
  queue: {
    complete: false,
    conventions: [
      {
        convention: 'quakes',
        queued: 1_200,
        running: 1,
        parked: 0,
        oldest_at: '2026-03-01T11:00:00Z',
        waits: [{ why: 'retry', batches: 1_200, oldest_at: now, example: 'hook density: it took too long' }],
      },
    ],
  },
  failing: [
    {
      hook: 'density',
      version: 4,
      is_live: true,
      passed: 1,
      failed: 8,
      error: 1,
      run: 'r',
      reason: 'exit 1\u001b[2J',
    },
  ],
  paused: {
    hooks: [
      {
        hook: 'energy',
        paused: { at: '2026-03-01T10:00:00Z', reason: 'a look', by: { issuer: 'ci', subject: 'ann' } },
      },
    ],
    ingestions: [],
  },
  needs: [
    {
      code: 'release_fails',
      about: 'density',
      detail: 'density v4 failed',
      next: 'osa hooks rollback density',
    },
  ],
};

async function shown(answer: Answer<'status'>, ...options: string[]) {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => ({ body: answer }));
  const environment = { OSA_SERVER: server.url, OSA_TOKEN: 'a.b.c' };
  return await world.osa(['status', ...options], { environment });
}

test('exit code 0 where nothing needs a person', async () => {
  const { code, stdout } = await shown(fine);
  expect(code).toBe(0);
  expect(stdout).toContain('data.example.org at http://127.0.0.1');
  expect(stdout).toContain('up 3 days');
  expect(stdout).toContain('512 GiB of 1 TiB free');
  expect(stdout).toContain('nothing needs you');
});

test('exit code 1 where something does, which comes last with the next step', async () => {
  const { code, stdout } = await shown(broken);
  expect(code).toBe(1);
  expect(stdout).toMatch(/quakes +1200 +1 +0 +1 hour +1,200 to be tried again: hook density/);
  expect(stdout).toMatch(/density +v4 +9 of 10 +exit 1/);
  expect(stdout).not.toContain('\u001b');
  expect(stdout).toContain('hook energy, 2 hours ago by ann: a look');
  expect(stdout.trimEnd().split('\n').slice(-3)).toEqual([
    '1 thing needs a person',
    '  ✖ density v4 failed',
    '    next: osa hooks rollback density',
  ]);
});

test('--json prints what the server answers', async () => {
  const { code, stdout } = await shown(broken, '--json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toEqual(broken);
});

test('--watch shows it again, until it is interrupted', async () => {
  await using world = await createCliWorld();
  const stop = new AbortController();
  await using server = await startFakeServer((_, count) => {
    if (count === 2) setImmediate(() => stop.abort());
    return { body: broken };
  });
  const environment = { OSA_SERVER: server.url, OSA_TOKEN: 'a.b.c' };
  const { stdout } = await world.osa(['status', '--watch', '--json'], { environment, signal: stop.signal });
  const [first = ''] = stdout.split('\n');
  expect(JSON.parse(first)).toMatchObject({ ok: false });
});
