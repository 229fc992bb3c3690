import { recompute } from '@osa/core/recompute/recompute';
import { findTraced } from '@osa/core/trace/find';
import { sourceHistory } from '@osa/core/trace/history';
import { traceDeploy, traceRelease, traceRun, traceSource } from '@osa/core/trace/stories';
import { beforeAll, expect, test } from 'vitest';
import { type CoreArchive, convention, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin, until } from '../support/database/database.ts';

/** The stories of a source that was corrected, and of the runs, releases and deploys that it met. */

let bench: CoreArchive;
let deploys: string[];
beforeAll(async () => {
  bench = await coreArchive();
  const twice = {
    code: hookCode('return { features: [{ value: metadata.value * 2 }] }'),
    config: { secret: 1 },
  };
  const thrice = { code: hookCode('return { features: [{ value: metadata.value * 3 }] }') };
  const odd = {
    code: hookCode(
      "return metadata.value === 5 ? { reason: 'odd' } : { features: [{ value: 7 }, { value: 8 }] }",
    ),
    cardinality: 'many' as const,
  };
  const first = await bench.deploy({ doubled: twice, pair: odd });
  await bench.ingest([record('a', 1), record('b', 2), record('rejected', 5), record('x:y', 3)]);
  await bench.drain();
  const second = await bench.deploy({ doubled: thrice, pair: odd });
  await bench.ingest([record('a', 10)]);
  await bench.drain();
  deploys = [first.deploy_id, second.deploy_id];
  return () => bench.dispose();
});

const source = (sourceId: string) => ({ convention, sourceId });

test('the history of a source has its versions, newest first, with causes and the values that changed', async () => {
  const history = await sourceHistory(bench.store, source('a'), { limit: 10 });
  expect(history).toMatchObject({
    convention,
    source_id: 'a',
    version_count: 2,
    has_more: false,
    versions: [
      { version: 2, changes: [{ path: 'value', from: 1, to: 10 }] },
      { version: 1, changes: null },
    ],
  });
  const [second, first] = history.versions;
  expect(first?.results).toMatchObject([
    {
      hook: 'doubled',
      release: 1,
      causes: ['new_content'],
      row_count_before: null,
      rows: [{ values: { value: 2 }, changes: null }],
    },
    { hook: 'pair', release: 1, row_count: 2 },
  ]);
  expect(second?.results).toMatchObject([
    {
      hook: 'doubled',
      release: 2,
      current: true,
      causes: ['new_content', 'new_release'],
      rows: [{ changes: [{ path: 'value', from: 2, to: 30 }] }],
    },
    { hook: 'pair', release: 1, causes: ['new_content'], rows: [{ changes: [] }, { changes: [] }] },
  ]);
});

test('a page of the history compares its last version with the one that the next page begins with', async () => {
  const page = await sourceHistory(bench.store, source('a'), { limit: 1 });
  expect(page.versions).toMatchObject([{ version: 2, changes: [{ path: 'value', from: 1, to: 10 }] }]);
  const rest = await sourceHistory(bench.store, source('a'), { limit: 1, cursor: page.next_cursor ?? '' });
  expect(rest).toMatchObject({ versions: [{ version: 1, changes: null }], next_cursor: null });
});

test('a source that was never published is not found', async () => {
  await expect(sourceHistory(bench.store, source('rejected'), { limit: 1 })).rejects.toMatchObject({
    code: 'not_found',
  });
  await expect(traceSource(bench.store, source('nobody'))).rejects.toMatchObject({ code: 'not_found' });
  expect(await traceSource(bench.store, source('a'))).toMatchObject({
    record: { source_id: 'a', version: 2 },
    row_count: 3,
  });
});

test('a release has what it made that can be read, by convention, and its config for readers of runs', async () => {
  const release = await traceRelease(bench.store, undefined, { hook: 'pair', version: 1 });
  // Each of the four published records has two rows; the rejected one has none.
  expect(release.made).toMatchObject({ runs: 2, records: 4, rows: 8 });
  expect(release.conventions).toMatchObject([{ convention, records: 4, rows: 8 }]);
  expect(release.live_changes).toMatchObject([{ kind: 'release', from_version: null, to_version: 1 }]);
  const hidden = await traceRelease(bench.store, undefined, { hook: 'doubled', version: 1 });
  // The rows of the record that another hook rejected cannot be read.
  expect(hidden.made).toMatchObject({ runs: 1, records: 3, rows: 3 });
  expect(hidden.release).toMatchObject({ config: null, is_live: false, live_version: 2 });
  const shown = await traceRelease(bench.store, admin, { hook: 'doubled', version: 1 });
  expect(shown.release.config).toEqual({ secret: 1 });
  for (const unknown of [
    { hook: 'doubled', version: 9 },
    { hook: 'nothing', version: 1 },
    { hook: 'a b', version: 1 },
  ]) {
    await expect(traceRelease(bench.store, undefined, unknown)).rejects.toMatchObject({ code: 'not_found' });
  }
});

test('a run has its release, its outcomes and the first of its rows', async () => {
  const { versions } = await sourceHistory(bench.store, source('a'), { limit: 10 });
  const run = versions[1]?.results[0]?.run_id ?? '';
  expect(await traceRun(bench.store, undefined, run)).toMatchObject({
    run: { id: run, convention, status: 'passed', row_count: 4 },
    release: { version: 1, config: null },
    hook: { name: 'doubled' },
    outcomes: { passed: 4, rejected: 0, errored: 0 },
    rows: [{ source_id: 'a' }, { source_id: 'b' }, { source_id: 'x:y' }],
  });
  const id = '0198c0de-0000-7000-8000-000000000009';
  await expect(traceRun(bench.store, undefined, id)).rejects.toMatchObject({ code: 'not_found' });
  await expect(traceDeploy(bench.store, id)).rejects.toMatchObject({ code: 'not_found' });
});

test('a deploy has the releases that it declared, made or known, with what they made', async () => {
  const trace = await traceDeploy(bench.store, deploys[1] ?? '');
  expect(trace.releases).toMatchObject([
    { hook: 'doubled', version: 2, created: true, made: { rows: 1, records: 1 } },
    { hook: 'pair', version: 1, created: false, made: { rows: 8 } },
  ]);
  expect(trace.deploy).not.toHaveProperty('manifest');
});

test('a text is found by each form that it has, and what is ambiguous has several answers', async () => {
  const found = async (text: string) =>
    (await findTraced(bench.store, undefined, { text })).items.map(({ kind, name }) => `${kind} ${name}`);
  expect(await found('a')).toEqual(['source bench:a']);
  expect(await found('bench:a')).toEqual(['source bench:a']);
  expect(await found('x:y')).toEqual(['source bench:x:y']);
  expect(await found('doubled@2')).toEqual(['release doubled@2']);
  expect(await found('doubled/1')).toEqual(['row doubled/1']);
  expect(await found('rejected')).toEqual([]);
  expect(await findTraced(bench.store, admin, { text: 'bench:rejected' })).toMatchObject({
    items: [],
    failed: [{ line: 3, status: 'rejected', hook: 'pair', version: 1, reason: 'odd' }],
  });
  expect(await findTraced(bench.store, undefined, { text: 'bench:rejected' })).toMatchObject({ failed: [] });
  expect(await found(deploys[0] ?? '')).toEqual([`deploy ${deploys[0]}`]);
  // Ids begin with the time, so those of one moment begin alike.
  const prefixed = await found((deploys[0] ?? '').slice(0, 8));
  expect(prefixed).toEqual(expect.arrayContaining([`deploy ${deploys[0]}`]));
  expect(prefixed.filter((name) => name.startsWith('run ')).length).toBeGreaterThan(0);
  await bench.deploy({}, { slug: 'other', schema: schemaOf('other-record') });
  await bench.ingest([record('b', 9)]);
  await bench.drain();
  expect(await found('b')).toEqual(['source bench:b']);
});

function schemaOf(id: string) {
  return {
    id,
    version: '1.0.0',
    fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' } as const],
  };
}

test('a record that is computed again has another result of the same version, with its cause', async () => {
  const { id } = await recompute(bench.store, { principal: admin }, 'doubled', {});
  await until('the recompute to end', async () => {
    await bench.drain();
    return (await bench.store.recomputes.show(id))?.finished_at ?? undefined;
  });
  const { versions } = await sourceHistory(bench.store, source('x:y'), { limit: 10 });
  const results = versions[0]?.results.filter(({ hook }) => hook === 'doubled');
  expect(results).toMatchObject([
    { release: 1, current: false, causes: ['new_content'], rows: [{ changes: null }] },
    {
      release: 2,
      current: true,
      causes: ['recomputed', 'new_release'],
      rows: [{ changes: [{ path: 'value', from: 6, to: 9 }] }],
    },
  ]);
  const run = await traceRun(bench.store, undefined, results?.[1]?.run_id ?? '');
  expect(run.run).toMatchObject({ ingestion: null, recompute: id });
});

test('the counts of what can be read are those of the rows', async () => {
  const counts = await bench.database.sql`
    select run.id, run.published_records, run.published_rows::integer
    from runs run where run.published_rows is distinct from (
      select coalesce(sum(o.row_count), 0) from outcomes o join batch_records b on b.id = o.batch_record
      where o.run = run.id and b.status = 'published')`;
  expect(counts).toEqual([]);
});
