import { Readable } from 'node:stream';
import { readRecords } from '@osa/core/data/read';
import { sha256 } from '@osa/core/hook/release';
import { cancelIngestion } from '@osa/core/ingestion/control';
import { ingest } from '@osa/core/ingestion/ingest';
import { retryIngestion } from '@osa/core/ingestion/retry';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { postgresStore } from '@osa/core/postgres/store';
import { executeNext } from '@osa/core/run/execute';
import type { Store } from '@osa/core/store';
import { traceRecord, traceRow } from '@osa/core/trace/trace';
import { expect, test } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { answering } from '../support/database/answering.ts';
import { crowd, crowdIngestion } from '../support/database/crowd.ts';
import { admin } from '../support/database/database.ts';
import { boundedReads, type Measure, stopAutovacuum } from '../support/database/table-reads.ts';

/**
 * Uploads, claims, commits, retries, cancellations, pages and traces cost what their own records cost, beside 100,000 others
 * of the same convention: without statistics, with old ones, and with those of another convention. A session may keep the
 * plans that it made while the tables were small.
 */

const known = 100_000;
const batchSize = 500;
const limit = 100;
/** Index entries and rows of one table that a record may cost: checks, proofs and updates read it again. */
const entriesPerRecord = 40;
const tables = [
  ...[
    'sources',
    'records',
    'batch_records',
    'batches',
    'batch_gates',
    'outcomes',
    'runs',
    'attempts',
    'releases',
  ],
  ...['ingestions', 'in_bench', 'in_other'],
];
/** So small that the way in which they are read does not matter. */
const small = ['releases', 'ingestions'];

test.each(['without statistics', 'with old statistics', 'with statistics of another convention'] as const)(
  '%s each step reads its own records by index',
  { timeout: 240_000 },
  async (state) => {
    const bench = await coreArchive();
    try {
      const owner = bench.open('owner', { max: 1 });
      await bench.deploy({ in_bench: {} });
      const schema = { id: 'other-record', version: '1.0.0', fields: [] };
      const field = { name: 'value', type: 'number', required: true, cardinality: 'exactly_one' } as const;
      await bench.deploy(
        { in_other: {} },
        { slug: 'other', title: 'other', schema: { ...schema, fields: [{ ...field }] } },
      );
      await stopAutovacuum(owner);
      const app = bench.open('app', { max: 1 });
      await useAll(bench, app, 'other');
      if (state === 'with statistics of another convention') await owner.sql`analyze`;
      if (state === 'with old statistics') {
        await useAll(bench, app, 'bench');
        await owner.sql`analyze`;
      }
      await crowd(owner, { convention: 'bench', hook: 'in_bench', count: known });
      await measureAll(bench, app);
      // A session of now plans with the tables as they are.
      await measureAll(bench, bench.open('app', { max: 1 }), 't');
    } finally {
      await bench.dispose();
    }
  },
);

/** Each step with one record, six times over: from the sixth time on a statement may keep its plan. */
async function useAll(bench: CoreArchive, app: Database, convention: 'bench' | 'other'): Promise<void> {
  for (let round = 0; round < 6; round += 1) {
    const parts = { convention, size: 1, first: `r${round}`, crowded: undefined };
    await allSteps(bench, app, parts, async (_step, _records, run) => run());
  }
}

async function measureAll(bench: CoreArchive, app: Database, first = 's'): Promise<void> {
  const { measure, over, steps } = boundedReads(app, {
    ...{ tables, small, entriesPerRecord },
    wholeFrom: known,
  });
  const parts = { convention: 'bench', size: batchSize, first, crowded: crowdIngestion } as const;
  await allSteps(bench, app, parts, measure);
  expect(over, JSON.stringify(over)).toEqual([]);
  expect(steps.length).toBeGreaterThan(25);
}

interface Parts {
  readonly convention: 'bench' | 'other';
  readonly size: number;
  readonly first: string;
  /** An ingestion of many batches. */
  readonly crowded: string | undefined;
}

async function allSteps(
  bench: CoreArchive,
  app: Database,
  { convention, size, first, crowded }: Parts,
  measure: Measure,
): Promise<void> {
  const store = postgresStore(app, { domain: 'localhost' });
  const queue = postgresQueue(app, { domain: 'localhost' });
  const execution = { ...bench.execution, queue, runners: [answering] };
  const run = () => executeNext(execution, new AbortController().signal);
  const send = (value: number) => {
    const records = Array.from({ length: size }, (_, n) => record(`${first}${n}`, value));
    const bytes = Buffer.from(records.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
    return ingest(store, { principal: admin }, { convention, batchSize, upload });
  };
  const retry = (id: string) => retryIngestion(store, { principal: admin }, id);

  await measure('seal', size, () => send(1));
  expect(await measure('claim, run and commit', size, run)).toBe(true);
  await measure('seal the same', size, () => send(1));
  await measure('find it unchanged', size, run);
  const { id } = await measure('seal a change', size, () => send(2));
  await measure('cancel', size, () => cancelIngestion(store, { principal: admin }, id, {}));
  expect(await measure('retry', size, () => retry(id))).toMatchObject({ retried: size });
  await measure('claim the retried', size, run);
  const { id: rejected } = await measure('seal what is rejected', size, () => send(-1));
  await measure('reject', size, run);
  expect(await measure('retry the rejected', size, () => retry(rejected))).toMatchObject({ retried: size });
  await measure('reject again', size, run);
  await readAll(store, { convention, ingestion: rejected, crowded }, measure);
}

async function readAll(
  store: Store,
  {
    convention,
    ingestion,
    crowded,
  }: { convention: 'bench' | 'other'; ingestion: string; crowded: string | undefined },
  measure: Measure,
): Promise<void> {
  const hook = `in_${convention}`;
  const page = { limit, cursor: undefined, history: false, release: undefined };
  for (const history of [false, true]) {
    const named = history ? 'with history' : 'of the newest';
    const records = (cursor: string | undefined) =>
      readRecords(store, `${convention}-record`, { ...page, history, cursor });
    const read = await measure(`page of records ${named}`, limit, () => records(undefined));
    await measure(`next page of records ${named}`, limit, () => records(read.next_cursor ?? undefined));
    const rowsAfter = (cursor: string | undefined) =>
      readRows(store, `${convention}-record`, hook, { ...page, history, cursor });
    // Those of the batch that was replaced are read, too.
    const rows = await measure(`page of rows ${named}`, limit + batchSize, () => rowsAfter(undefined));
    await measure(`next page of rows ${named}`, limit, () => rowsAfter(rows.next_cursor ?? undefined));
    const id = Number(rows.rows[0]?.id);
    const trace = await measure('trace of a row', limit, () => traceRow(store, admin, { hook, id }));
    await measure('trace of a record', limit, () => traceRecord(store, trace.record.srn));
    await measure('show a run', limit, () => store.runs.show(trace.run.id));
    await measure('log of a run', limit, () => store.runs.log(trace.run.id, undefined));
    await measure('follow a run', limit, () => store.runs.tail(trace.run.id, { attempt: 1, after: 0 }));
  }
  await readStories(store, { convention, hook }, measure);
  const runs = (query: object) =>
    store.runs.list({ limit, cursor: undefined, ...query } as Parameters<Store['runs']['list']>[0]);
  await measure('list runs', limit, () => runs({}));
  await measure('list runs of a hook', limit, () => runs({ hook }));
  await measure('list runs of a release', limit, () => runs({ hook, release: 1 }));
  await measure('list runs of an ingestion', limit, () => runs({ ingestion }));
  await measure('list ingestions', limit, () => store.ingestions.list({ limit, cursor: undefined }));
  await measure('list hooks', limit, () => store.registry.hooks({ limit, cursor: undefined }));
  await measure('show a release', limit, () => store.registry.release(hook, 1));
  for (const of of [ingestion, ...(crowded ? [crowded] : [])]) {
    await measure('show an ingestion', limit, () => store.ingestions.show(of));
    for (const status of [undefined, 'failed', 'published', 'pending'] as const) {
      const records = (cursor: string | undefined) => store.ingestions.records(of, { limit, cursor, status });
      // A page reads the batch that it begins in, and goes on in the next one.
      const read = await measure(`page of ${status} records of an ingestion`, limit, () =>
        records(undefined),
      );
      await measure(`next page of ${status} records`, limit, () => records(read?.next_cursor ?? undefined));
    }
  }
}

/** Filters that an index answers, and the stories that do not begin with a row. */
async function readStories(
  store: Store,
  { convention, hook }: { readonly convention: 'bench' | 'other'; readonly hook: string },
  measure: Measure,
): Promise<void> {
  const schema = `${convention}-record`;
  const query = { limit, history: false };
  const named = (field: string, value: unknown) => ({ kind: 'predicate', field, op: 'in', value });
  const newest = await readRows(store, schema, hook, { ...query, limit: 1 });
  const [row] = newest.rows;
  const source = { convention, sourceId: String(row?.record_source_id) };
  for (const sort of [undefined, 'version']) {
    const order = sort === undefined ? 'as they are stored' : 'sorted';
    for (const [field, value] of [
      ['source_id', source.sourceId],
      ['srn', row?.record_srn],
    ]) {
      const filter = named(String(field), [value]);
      const read = () => readRecords(store, schema, { ...query, filter, sort });
      expect((await measure(`records by ${field}, ${order}`, 1, read)).rows).toHaveLength(1);
    }
  }
  for (const sort of [undefined, 'value']) {
    const order = sort === undefined ? 'as they are stored' : 'sorted';
    for (const [field, value] of [
      ['id', row?.id],
      ['record_source_id', source.sourceId],
      ['record_srn', row?.record_srn],
    ]) {
      const filter = named(String(field), [value]);
      const read = () => readRows(store, schema, hook, { ...query, filter, sort });
      expect((await measure(`rows by ${field}, ${order}`, 1, read)).rows).toHaveLength(1);
    }
    const filter = named('run_id', [row?.run_id]);
    const read = () => readRows(store, schema, hook, { ...query, filter, sort });
    // A run is of a batch, which is read whole where its rows are sorted.
    expect((await measure(`rows by run, ${order}`, 2 * batchSize, read)).rows.length).toBeGreaterThan(0);
  }
  const versions = await measure('history of a source', limit, () =>
    store.stories.versions(source, { limit, cursor: undefined }),
  );
  expect(versions?.versions.length).toBeGreaterThan(0);
  await measure('newest record of a source', limit, () => store.stories.newestRecord(source));
  await measure('find a source', limit, () => store.stories.finds.sources(source.sourceId, undefined, 20));
  const { failed, record } = store.stories.finds;
  await measure('failed records of a source', limit, () => failed(source.sourceId, source.convention, 20));
  await measure('versions of a record', limit, () =>
    record(String(row?.record_srn).split(/[:@]/)[4] ?? '', 20),
  );
  await measure('trace of a run', limit, () => store.stories.run(String(row?.run_id)));
  const releases = { releases: [{ hook, version: 1 }], platform: null, record: null };
  await measure('impact of a release', limit, () => store.impacts.made(releases));
  const page = { limit, cursor: undefined };
  const touched = await measure('rows of an impact', batchSize, () => store.impacts.rows(releases, page));
  const cursor = touched.next_cursor ?? undefined;
  await measure('next rows of an impact', batchSize, () => store.impacts.rows(releases, { limit, cursor }));
  await measure('runs that go on', limit, () => store.deliveries.startedRuns(limit));
  const last = await store.events.last();
  await measure('page of events', limit, () => store.events.read({ after: Math.max(0, last - 10), limit }));
}
