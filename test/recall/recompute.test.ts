import { rollback } from '@osa/core/hook/live';
import { planRecompute, recompute } from '@osa/core/recompute/recompute';
import { sourceHistory } from '@osa/core/trace/history';
import { impact } from '@osa/core/trace/impact';
import { showRecall } from '@osa/core/trace/recall/read';
import { traceRow } from '@osa/core/trace/trace';
import { beforeAll, expect, test } from 'vitest';
import { recomputed } from '../recompute/recompute-support.ts';
import { type CoreArchive, convention, coreArchive, record } from '../support/core-archive.ts';
import { closed, opened, times, writer } from './recall-support.ts';

/** A recalled result is computed again with a release that is not recalled. */

let bench: CoreArchive;
beforeAll(async () => {
  bench = await coreArchive();
  await bench.deploy({ probe: { code: times(1) }, other: { code: times(5) } });
  await bench.ingest([record('a', 1), record('b', 2)]);
  await bench.drain();
  await bench.deploy({ probe: { code: times(2) }, other: { code: times(5) } });
  await bench.ingest([record('c', 3), record('d', 4)]);
  await bench.drain();
  return () => bench.dispose();
}, 60_000);

test('it is refused while the live release is recalled, and where nothing or more is meant', async () => {
  const recall = await opened(bench, { release: 'probe@2' });
  const of = (hook: string, request: Parameters<typeof planRecompute>[3]) =>
    planRecompute(bench.store, writer, hook, request).catch(({ code, field }) => `${code} ${field}`);
  expect(await of('probe', { recalled: recall.id })).toBe('conflict recalled');
  expect(await of('other', { recalled: recall.id })).toBe('invalid recalled');
  expect(await of('probe', { recalled: recall.id, releases: [1] })).toBe('invalid recalled');
  expect(await of('probe', { recalled: '0198c0de-0000-7000-8000-000000000000' })).toBe('not_found recalled');
  await closed(bench, recall.id);
  expect(await of('probe', { recalled: recall.id })).toBe('conflict recalled');
});

test('afterwards no row of it is current, and the history names the cause', async () => {
  const recall = await opened(bench, { release: 'probe@2' });
  expect(recall.current).toEqual({ records: 2, rows: 2, is_exact: true });
  await rollback(bench.store, writer, 'probe', {});
  const plan = await planRecompute(bench.store, writer, 'probe', { recalled: recall.id });
  expect(plan).toMatchObject({ live_version: 1, releases: [2], records: 2, rows: 2, missing: 0 });
  const done = await recomputed(bench, { recalled: recall.id });
  expect(done).toMatchObject({ recall_id: recall.id, status: 'completed', passed: 2, releases: [2] });
  const after = await showRecall(bench.store, recall.id);
  expect(after).toMatchObject({ current: { rows: 0 }, made: { rows: 2 }, recomputes: [done.id] });
  const history = await sourceHistory(
    bench.store,
    { convention, sourceId: 'c' },
    { limit: 5, cursor: undefined },
  );
  const results = history.versions[0]?.results.filter(({ hook }) => hook === 'probe');
  expect(results?.map(({ causes, recalled }) => [causes, recalled.length])).toEqual([
    [['new_content'], 1],
    [['recalled', 'new_release'], 0],
  ]);
  const [old] = await bench.database.sql<{ id: number }[]>`
    select f.id::integer as id from features.probe f join runs r on r.id = f.run_id where r.version = 2 limit 1`;
  const { row } = await traceRow(bench.store, undefined, { hook: 'probe', id: old?.id ?? 0 });
  expect(row).toMatchObject({ current: false, superseded_by: { recall_id: recall.id } });
  await closed(bench, recall.id);
});

test('a recalled record is computed again alone', async () => {
  const [published] = await bench.database.sql<{ srn: string }[]>`
    select srn from published where source_id = 'a'`;
  await bench.deploy({ probe: { code: times(3) }, other: { code: times(5) } });
  const recall = await opened(bench, { record: published?.srn ?? '' });
  const done = await recomputed(bench, { recalled: recall.id });
  expect(done).toMatchObject({ passed: 1, records: 1, is_list: true, recall_id: recall.id });
  await closed(bench, recall.id);
  await expect(recompute(bench.store, writer, 'probe', { recalled: recall.id })).rejects.toMatchObject({
    code: 'conflict',
  });
});

test('a record counts once for each release, however often that ran it', async () => {
  const [published] = await bench.database.sql<{ srn: string }[]>`
    select srn from published where source_id = 'a'`;
  const srn = published?.srn ?? '';
  await rollback(bench.store, writer, 'probe', { to: 1 });
  await recomputed(bench, { records: [srn] });
  const { made, conventions, releases } = await impact(bench.store, { record: srn });
  const probe = releases.filter(({ hook }) => hook === 'probe');
  expect(probe.map((release) => [release.version, release.made.runs, release.made.records])).toEqual([
    [1, 2, 1],
    [3, 1, 1],
  ]);
  expect([made.records, conventions.map(({ records }) => records)]).toEqual([1, [1]]);
});
