import { OsaError } from '@osa/core/error';
import { activate } from '@osa/core/hook/live';
import { comparisonQueue } from '@osa/core/postgres/recompute/comparison/queue';
import { cancelComparison } from '@osa/core/recompute/comparison/cancel';
import { compare } from '@osa/core/recompute/comparison/compare';
import type { Comparison } from '@osa/core/recompute/comparison/comparisons';
import { executeComparison } from '@osa/core/recompute/comparison/execute';
import type { Execution } from '@osa/core/run/execution';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { refusal } from '../support/database/registry-support.ts';
import { writer } from './recompute-support.ts';

/** A comparison says what a release would change, and changes nothing. */

let bench: CoreArchive;
let execution: Execution;
beforeEach(async () => {
  bench = await coreArchive();
  execution = { ...bench.execution, comparisons: comparisonQueue(bench.database) };
  return () => bench.dispose();
});

const request = { seed: 'osa', tolerances: {}, keys: [] };

async function compared(
  given: Partial<Parameters<typeof compare>[3]> & { version: number },
): Promise<Comparison> {
  const { id } = await compare(bench.store, writer, 'probe', { ...request, ...given });
  while (await executeComparison(execution, new AbortController().signal));
  const done = await bench.store.comparisons.show(id);
  if (!done) throw new Error('the comparison is gone');
  return done;
}

const ten = Array.from({ length: 10 }, (_, n) => record(`s${n}`, n + 1));

async function twoReleases(second: string): Promise<void> {
  await bench.deploy({ probe: { code: hookCode('return { features: [{ value: metadata.value }] }') } });
  await bench.ingest(ten);
  await bench.drain();
  await bench.deploy({ probe: { code: hookCode(second) } });
  await activate(bench.store, writer, 'probe', { version: 1 });
}

async function stored() {
  const [counts] = await bench.database.sql`
    select (select count(*) from runs) as runs, (select count(*) from outcomes) as outcomes,
           (select count(*) from attempts) as attempts, (select count(*) from features.probe) as rows,
           (select live_version from hooks) as live`;
  return counts;
}

test('values, outcomes and examples are reported, within and beyond a tolerance, and nothing is stored', async () => {
  await twoReleases(
    'if (metadata.value === 9) return { reason: "nine" }; const off = metadata.value > 7 ? 0.5 : 0; ' +
      'return { features: [{ value: metadata.value + off }] }',
  );
  const before = await stored();
  const done = await compared({ version: 2 });
  expect(done).toMatchObject({ status: 'done', hook_name: 'probe', version: 2, against: null });
  expect(done.report).toMatchObject({
    ...{ records: 10, changed_records: 3 },
    outcomes: [
      { from: 'passed', to: 'passed', records: 9 },
      { from: 'passed', to: 'rejected', records: 1 },
    ],
    rows: { before: 10, after: 9, added: 0, removed: 1, changed: 2 },
    columns: [{ name: 'value', compared: 9, differ: 2, beyond: 2, max_abs: 0.5, max_rel: 0.5 / 8.5 }],
  });
  expect(done.report?.examples).toContainEqual(
    expect.objectContaining({
      row: expect.stringMatching(/^probe\/\d+$/),
      what: 'value',
      before: 8,
      after: 8.5,
    }),
  );
  const tolerant = await compared({ version: 2, tolerances: { value: { abs: 0.5 } } });
  expect(tolerant.report).toMatchObject({ changed_records: 1, columns: [{ differ: 2, beyond: 0 }] });
  expect(await bench.store.registry.release('probe', 2)).toMatchObject({
    comparison: { id: tolerant.id, changed_records: 1, is_tolerant: true },
  });
  expect(await stored()).toEqual(before);
});

test('numbers that no double keeps are compared by their value', async () => {
  const columns = [{ name: 'value', json_type: 'integer', required: true }];
  const big = (last: number) => ({
    columns,
    code: hookCode(`return { features: [{ value: JSON.rawJSON('900719925474099${last}') }] }`),
  });
  await bench.deploy({ probe: big(3) });
  await bench.ingest([record('x', 1)]);
  await bench.drain();
  await bench.deploy({ probe: big(5) });
  await activate(bench.store, writer, 'probe', { version: 1 });
  expect((await compared({ version: 2 })).report).toMatchObject({
    ...{ changed_records: 1, columns: [{ differ: 1, beyond: 1 }] },
  });
  const free = { value: { any: true as const } };
  expect((await compared({ version: 2, tolerances: free })).report).toMatchObject({
    ...{ changed_records: 0, columns: [{ differ: 1, beyond: 0 }] },
  });
});

test('the same seed draws the same records, and another seed draws others', async () => {
  await twoReleases('return { features: [{ value: metadata.value + 1 }] }');
  const drawn = async (seed: string) => {
    const { report } = await compared({ version: 2, sample: 3, seed });
    expect(report?.records).toBe(3);
    return report?.examples.map(({ record_srn }) => record_srn).sort();
  };
  const first = await drawn('a');
  expect(await drawn('a')).toEqual(first);
  expect([await drawn('b'), await drawn('c'), await drawn('d')]).not.toEqual([first, first, first]);
});

test('rows of one record are matched by the columns that are named', async () => {
  const columns = [
    { name: 'band', json_type: 'string', required: true },
    { name: 'value', json_type: 'number', required: true },
  ];
  const many = (order: string) => ({
    ...{ cardinality: 'many' as const, columns },
    code: hookCode(
      `const of = (band) => ({ band, value: band === 'b' ? 2 : 1 }); return { features: ${order}.map(of) }`,
    ),
  });
  await bench.deploy({ probe: many("['a', 'b']") });
  await bench.ingest([record('x', 1)]);
  await bench.drain();
  await bench.deploy({ probe: many("['b', 'a', 'c']") });
  await activate(bench.store, writer, 'probe', { version: 1 });
  expect((await compared({ version: 2 })).report).toMatchObject({ rows: { added: 1, changed: 2 } });
  expect((await compared({ version: 2, keys: ['band'] })).report).toMatchObject({
    rows: { before: 2, after: 3, added: 1, removed: 0, changed: 0 },
  });
});

test('code that dies is reported as errors of its records; what cannot be compared is refused', async () => {
  await twoReleases('process.exit(3)');
  expect((await compared({ version: 2 })).report).toMatchObject({
    outcomes: [{ from: 'passed', to: 'errored', records: 10 }],
    changed_records: 10,
  });
  const asked = (given: object) =>
    refusal(compare(bench.store, writer, 'probe', { ...request, version: 2, ...given }));
  expect((await asked({ version: 9 })).code).toBe('not_found');
  expect((await asked({ against: 2 })).field).toBe('against');
  expect((await asked({ tolerances: { other: { abs: 1 } } })).code).toBe('invalid');
  expect((await asked({ keys: ['value'] })).field).toBe('keys');
  expect((await asked({ keys: ['value', 'nope'] })).field).toBe('keys[1]');
  expect((await asked({ tolerances: { nope: { any: true } } })).field).toBe('tolerances.nope');
  expect((await asked({ convention: 'nowhere' })).code).toBe('not_found');
  expect((await asked({ records: ['x'] })).field).toBe('records[0]');
});

test('a record that ends the code is errored alone, and the others are compared', async () => {
  await twoReleases(
    'if (metadata.value === 4) process.exit(3); return { features: [{ value: metadata.value }] }',
  );
  const { report } = await compared({ version: 2 });
  expect(report).toMatchObject({
    ...{ records: 10, changed_records: 1 },
    outcomes: [
      { from: 'passed', to: 'passed', records: 9 },
      { from: 'passed', to: 'errored', records: 1 },
    ],
    rows: { before: 10, after: 9, added: 0, removed: 1, changed: 0 },
  });
});

test('while the database cannot be reached a comparison does not fail: it is begun again', async () => {
  await twoReleases('return { features: [{ value: metadata.value + 0 }] }');
  const { id } = await compare(bench.store, writer, 'probe', { ...request, version: 2 });
  const queue = comparisonQueue(bench.database);
  const away = {
    ...{ ...execution, worker: { name: 'cut off', leaseMs: 300 } },
    comparisons: { ...queue, read: async () => Promise.reject(new OsaError('unavailable', 'it is away')) },
  };
  expect(await executeComparison(away, new AbortController().signal)).toBe(true);
  expect(await bench.store.comparisons.show(id)).toMatchObject({ status: 'running', problem: null });
  const begunAgain = () => executeComparison(execution, new AbortController().signal);
  await expect.poll(begunAgain, { timeout: 20_000 }).toBe(true);
  expect(await bench.store.comparisons.show(id)).toMatchObject({ status: 'done', report: { records: 10 } });
});

test('a comparison that is given up says what stood in its way', async () => {
  await twoReleases('return { features: [{ value: metadata.value + 0 }] }');
  const { id } = await compare(bench.store, writer, 'probe', { ...request, version: 2 });
  const away = {
    ...{ ...execution, worker: { name: 'cut off', leaseMs: 200 } },
    comparisons: {
      ...comparisonQueue(bench.database),
      records: async () => Promise.reject(new OsaError('unavailable', 'the engine is away')),
    },
  };
  const ended = async () => {
    await executeComparison(away, new AbortController().signal);
    return (await bench.store.comparisons.show(id))?.status;
  };
  await expect.poll(ended, { timeout: 20_000 }).toBe('failed');
  const problem = 'the engine is away; given up after 10 tries';
  expect(await bench.store.comparisons.show(id)).toMatchObject({ report: null, problem });
});

test('a comparison that is cancelled ends, and its worker writes nothing; one that has ended stays as it is', async () => {
  await twoReleases('return { features: [{ value: metadata.value + 0 }] }');
  const { id } = await compare(bench.store, writer, 'probe', { ...request, version: 2 });
  const queue = comparisonQueue(bench.database);
  const held = await queue.claim({ name: 'other', leaseMs: 60_000, runtimes: ['directory'] });
  if (!held) throw new Error('nothing was claimed');
  const before = await stored();
  const stranger = { principal: { ...admin, scopes: new Set(['hooks:write:other']) } };
  const cancel = (by: typeof writer, which = id) =>
    cancelComparison(bench.store, by, which, { reason: 'it hangs' });
  expect((await refusal(cancel(stranger))).code).toBe('access_denied');
  expect((await refusal(cancel(writer, '01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80'))).code).toBe('not_found');
  const { changed, ...cancelled } = await cancel(writer);
  const problem = expect.stringMatching(/^cancelled by .*: it hangs$/);
  expect([changed, cancelled]).toMatchObject([true, { status: 'failed', report: null, problem }]);
  expect(await queue.renew(held, 60_000)).toBe(false);
  await queue.finish(held, { problem: 'too late' });
  expect(await executeComparison(execution, new AbortController().signal)).toBe(false);
  expect(await cancel(writer)).toEqual({ ...cancelled, changed: false });
  expect(await bench.store.comparisons.show(id)).toEqual(cancelled);
  expect(await stored()).toEqual(before);
});

test('a comparison whose worker is lost is made by another, and the late one writes nothing', async () => {
  await twoReleases('return { features: [{ value: metadata.value * 1 }] }');
  const queue = comparisonQueue(bench.database);
  const { id } = await compare(bench.store, writer, 'probe', { ...request, version: 2 });
  const late = await queue.claim({ name: 'lost', leaseMs: -1, runtimes: ['directory'] });
  while (await executeComparison(execution, new AbortController().signal));
  const done = await bench.store.comparisons.show(id);
  expect(done).toMatchObject({ status: 'done', report: { records: 10, changed_records: 0 } });
  if (late) await queue.finish(late, { problem: 'too late' });
  expect(await bench.store.comparisons.show(id)).toEqual(done);
});
