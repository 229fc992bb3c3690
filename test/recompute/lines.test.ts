import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aboutText, countsOf, type Recompute, recomputeLines } from '@osa/cli/commands/recomputes/lines';
import { planLines } from '@osa/cli/commands/recomputes/recompute';
import { type Replay, replayLines } from '@osa/cli/commands/replays/lines';
import { pipe, render } from '@osa/cli/terminal/paint';
import { expect, test } from 'vitest';
import { createCliWorld } from '../support/fixtures/cli-world.ts';

const cancelled = {
  ...{ id: '0198c0de-0000-7000-8000-000000000001', hook_name: 'probe', releases: [1], is_list: false },
  ...{ with_missing: false, convention_id: null, healed: null, recall_id: null, paused: null, reason: null },
  ...{ reasons: [], used: [], started_at: '2026-01-01T00:00:00Z', finished_at: '2026-01-01T00:01:00Z' },
  ...{ status: 'cancelled', is_cut: true, expected_records: 16_006, records: 5_000, pending: 0, rows: 4_000 },
  ...{ passed: 4_000, rejected: 0, errored: 1_000, overtaken: 0 },
} as unknown as Recompute;

test('a cancelled recompute shows all that it selected, what is not done, and the command that goes on with it', () => {
  const counts = Object.fromEntries(countsOf(cancelled));
  expect(counts).toMatchObject({ selected: '16,006', errored: '1,000', 'not done': '11,006' });
  expect(JSON.stringify(recomputeLines(cancelled))).toContain('to go on with all that is left');
  const completed = { ...cancelled, status: 'completed' } as Recompute;
  expect(Object.fromEntries(countsOf(completed))).toMatchObject({ selected: '5,000', 'not done': '0' });
  expect(JSON.stringify(recomputeLines(completed))).toContain('to try the errored ones again');
});

test.each<[string, Partial<Recompute>]>([
  ['probe, current rows of v1', {}],
  ['probe, current rows of v1, and records that it has never seen', { with_missing: true }],
  ['probe, records that it has never seen', { releases: [], with_missing: true }],
  ['probe, named records', { releases: [], is_list: true, with_missing: true }],
])('a recompute is said to be of %s', (said, changes) => {
  expect(aboutText({ ...cancelled, ...changes } as Recompute)).toBe(said);
});

test('a recompute that has ended without a run ran nothing, and not nothing yet', () => {
  const shown = (status: string) => JSON.stringify(recomputeLines({ ...cancelled, status } as Recompute));
  expect(shown('running')).toContain('nothing yet');
  expect(shown('completed')).not.toContain('nothing yet');
});

test('the results of a replay that are not named are counted', () => {
  const replay = {
    ...{ id: cancelled.id, kind: 'run', status: 'done', results: 9, identical: 0, differs: 9, cannot: 0 },
    ...{ output: null, releases: [], reason: null, reasons: [], run_id: cancelled.id },
    ...{ started_at: cancelled.started_at, finished_at: cancelled.finished_at },
  } as unknown as Replay;
  const found = { rows: ['probe/1'], verdict: 'differs', reason: null, columns: [], examples: [] };
  expect(JSON.stringify(replayLines(replay, [found as never]))).toContain('"8 more"');
});

test.each([
  ['hooks', 'compare', 'probe', '2'],
  ['hooks', 'recompute', 'probe', '--yes'],
])('%s %s %s names the line of a file with a name that no record has', async (...argv) => {
  await using world = await createCliWorld();
  await writeFile(join(world.cwd, 'some.txt'), '\nurn:osa:localhost:rec:abc@1\r\nsrn\n');
  const all = [...argv, '--records', 'some.txt', '--server', 'http://127.0.0.1:9'];
  const { code, stderr } = await world.osa(all);
  expect([code, stderr]).toEqual([
    2,
    expect.stringContaining('some.txt:3: "srn" is not the SRN of a record'),
  ]);
});

test.each([
  ['probe: v1, v3 → v4, which is live', { releases: [1, 3], records: 5 }],
  ['probe: v4, which is live', { records: 5, missing: 5 }],
  ['probe: v4, which is live', { in_review: 1 }],
  ['probe: nothing to compute again with v4, which is live', {}],
])('a plan begins with %s', (said, changes) => {
  const counts = { records: 0, rows: 0, missing: 0, in_review: 0, batches: 1, estimated_seconds: null };
  const plan = { hook_name: 'probe', live_version: 4, releases: [], ...counts, ...changes };
  expect(render(planLines(plan)[0] ?? '', pipe)).toBe(said);
});
