import { Readable } from 'node:stream';
import { activate } from '@osa/core/hook/live';
import { sha256 } from '@osa/core/hook/release';
import { ingest } from '@osa/core/ingestion/ingest';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { comparisonQueue } from '@osa/core/postgres/recompute/comparison/queue';
import { postgresStore } from '@osa/core/postgres/store';
import { compare } from '@osa/core/recompute/comparison/compare';
import { executeComparison } from '@osa/core/recompute/comparison/execute';
import { cancelRecompute, retryRecompute } from '@osa/core/recompute/control';
import { planRecompute, recompute } from '@osa/core/recompute/recompute';
import { executeNext } from '@osa/core/run/execute';
import type { Store } from '@osa/core/store';
import { recallRows, showRecall } from '@osa/core/trace/recall/read';
import { closeRecall, openRecall } from '@osa/core/trace/recall/recall';
import { traceRow } from '@osa/core/trace/trace';
import { expect, test } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { answering } from '../support/database/answering.ts';
import { crowd } from '../support/database/crowd.ts';
import { boundedReads, type Measure, stopAutovacuum } from '../support/database/table-reads.ts';
import { writer } from './recompute-support.ts';

/**
 * Recomputes, heals, comparisons and recalls cost what their own records cost, beside 100,000 others of the same convention: without
 * statistics, with old ones, and with those of another convention. A session may keep the plans that it made while the
 * tables were small.
 */

const known = 100_000;
const listedSources = 500;
const batchRecords = 1_000;
/** Index entries and rows of one table that a record may cost: checks, proofs and updates read it again. */
const entriesPerRecord = 40;
const tables = [
  ...['sources', 'records', 'batch_records', 'batches', 'batch_gates', 'outcomes', 'runs', 'attempts'],
  ...['recompute_records', 'recompute_walks', 'recompute_list', 'current_counts', 'in_bench', 'in_other'],
];
/** So small that the way in which they are read does not matter. */
const small = ['recompute_walks', 'current_counts'];

test.each(['without statistics', 'with old statistics', 'with statistics of another convention'] as const)(
  '%s each step reads its own records by index',
  { timeout: 240_000 },
  async (state) => {
    const bench = await coreArchive();
    try {
      const owner = bench.open('owner', { max: 1 });
      await deployTwice(bench);
      await stopAutovacuum(owner);
      const app = bench.open('app', { max: 1 });
      await useAll(bench, app, 'other');
      if (state === 'with statistics of another convention') await owner.sql`analyze`;
      if (state === 'with old statistics') {
        await useAll(bench, app, 'bench');
        await owner.sql`analyze`;
      }
      await crowd(owner, { convention: 'bench', hook: 'in_bench', count: known });
      await owner.transaction(async (tx) => {
        await tx`set local session_replication_role = replica`;
        await tx`
          insert into current_counts as c (hook, version, record_set, records, rows)
          select 'in_bench', 1, id, ${known}, ${known} from record_sets where convention = 'bench'
          on conflict (hook, version, record_set)
          do update set records = c.records + excluded.records, rows = c.rows + excluded.rows`;
      });
      await measureAll(bench, app);
      // A session of now plans with the tables as they are.
      await measureAll(bench, bench.open('app', { max: 1 }), 't');
    } finally {
      await bench.dispose();
    }
  },
);

/** Two conventions with a hook each, of which the first of two releases is live. */
async function deployTwice(bench: CoreArchive): Promise<void> {
  const field = { name: 'value', type: 'number', required: true, cardinality: 'exactly_one' } as const;
  const schema = { id: 'other-record', version: '1.0.0', fields: [{ ...field }] };
  for (const sourceRef of ['git+https://example.org/repo@1', 'git+https://example.org/repo@2']) {
    const hook = { sourceRef, config: { of: sourceRef } };
    await bench.deploy({ in_bench: hook });
    await bench.deploy({ in_other: hook }, { slug: 'other', title: 'other', schema });
  }
  for (const hook of ['in_bench', 'in_other']) await activate(bench.store, writer, hook, { version: 1 });
}

/** Each step with one record, six times over: from the sixth time on a statement may keep its plan. */
async function useAll(bench: CoreArchive, app: Database, convention: 'bench' | 'other'): Promise<void> {
  for (let round = 0; round < 6; round += 1) {
    await allSteps(bench, app, { convention, size: 1, first: `r${round}` }, async (_step, _records, run) =>
      run(),
    );
  }
}

async function measureAll(bench: CoreArchive, app: Database, first = 'n'): Promise<void> {
  const { measure, over, steps } = boundedReads(app, {
    ...{ tables, small, entriesPerRecord },
    wholeFrom: known,
  });
  await allSteps(bench, app, { convention: 'bench', size: listedSources, first }, measure);
  expect(over, JSON.stringify(over)).toEqual([]);
  expect(steps.length).toBeGreaterThan(15);
}

interface Parts {
  readonly convention: 'bench' | 'other';
  readonly size: number;
  readonly first: string;
}

async function allSteps(
  bench: CoreArchive,
  app: Database,
  { convention, size, first }: Parts,
  measure: Measure,
): Promise<void> {
  const hook = `in_${convention}`;
  const store = postgresStore(app, { domain: 'localhost' });
  const queue = postgresQueue(app, { domain: 'localhost' });
  const execution = {
    ...bench.execution,
    ...{ queue, comparisons: comparisonQueue(app), runners: [answering] },
  };
  const run = () => executeNext(execution, new AbortController().signal);
  const begin = (request: Parameters<typeof recompute>[3]) => recompute(store, writer, hook, request);
  const shown = async (id: string) => (await store.recomputes.show(id))?.status;

  const sources = Array.from({ length: size }, (_, n) => record(`${first}${n}`, n));
  const bytes = Buffer.from(sources.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
  await ingest(store, writer, { convention, batchSize: batchRecords, upload });
  while (await run());
  const srns = await srnsOf(bench, convention, `${first}%`);
  expect(srns).toHaveLength(size);
  await measure('move', 1, () => activate(store, writer, hook, { version: 2 }));
  await measure('plan', size, () => planRecompute(store, writer, hook, { records: srns }));
  const listed = await measure('ask for a list', size, () => begin({ records: srns }));
  expect(await measure('cut, claim, run and commit', size, run)).toBe(true);
  await measure('end', 10, run);
  await measure('show', size, async () => expect(await shown(listed.id)).toBe('completed'));
  const retried = () => retryRecompute(store, writer, listed.id);
  await measure('retry what has not failed', size, retried);
  const healed = await measure('heal', 10, () => activate(store, writer, hook, { version: 1, heal: true }));
  expect(await measure('cut, claim, run and commit a heal', size, run)).toBe(true);
  await measure('end a heal', 10, run);
  expect(await shown(String(healed.recompute?.id))).toBe('completed');
  await measure('stale', 10, () => store.recomputes.staleOf(hook));

  const compared = { seed: 'osa', tolerances: {}, keys: [], version: 2 };
  const signal = new AbortController().signal;
  for (const [of, records] of [
    [{ records: srns }, size],
    // A sample is drawn from all.
    [{ sample: 1 }, known],
  ] as const) {
    const asked = () => compare(store, writer, hook, { ...compared, ...of });
    const { id } = await measure('ask for a comparison', size, asked);
    expect(await measure('compare', records, () => executeComparison(execution, signal))).toBe(true);
    const shown = await measure('report', 10, () => store.comparisons.show(id));
    expect(shown?.report?.records).toBe('sample' in of ? 1 : size);
  }

  await recallAll(store, { hook, convention, srn: String(srns[0]) }, measure);
  await activate(store, writer, hook, { version: 2 });
  await measure('plan all', 10, () => planRecompute(store, writer, hook, {}));
  const all = await measure('ask for all', 10, () => begin({}));
  // A claim cuts up to four batches; the first steps may look at the runs of as many more.
  expect(await measure('cut a release', 5 * batchRecords, run)).toBe(true);
  await measure('show what goes on', batchRecords, () => shown(all.id));
  await measure('cancel', 4 * batchRecords, () => cancelRecompute(store, writer, all.id, {}));
  expect(await shown(all.id)).toBe('cancelled');
  await activate(store, writer, hook, { version: 1, heal: true });
  while (await run());
}

/** Notices on a release and on a record, and what readers see of them. */
async function recallAll(
  store: Store,
  { hook, convention, srn }: { readonly hook: string; readonly convention: string; readonly srn: string },
  measure: Measure,
): Promise<void> {
  const page = { limit: 100, cursor: undefined };
  for (const fact of [{ release: `${hook}@1` }, { record: srn }]) {
    const [of] = Object.keys(fact);
    const { id } = await measure(`recall by ${of}`, 100, () =>
      openRecall(store, recalling, { ...fact, reason: 'wrong units' }),
    );
    await measure('show a recall', 100, () => showRecall(store, id));
    await measure('list recalls', 100, () => store.recalls.list({ ...page, hook, convention }));
    // Rows are taken run by run.
    await measure('rows of a recall', batchRecords, () => recallRows(store, id, page));
    const { rows } = await measure('page of rows with notices', 100 + batchRecords, () =>
      readRows(store, `${convention}-record`, hook, { limit: 100, history: false }),
    );
    const row = { hook, id: Number(rows[0]?.id) };
    await measure('trace with notices', 100, () => traceRow(store, writer.principal, row));
    await measure('status', 100, () => store.status());
    await measure('close a recall', 100, () => closeRecall(store, recalling, id, { reason: 'over' }));
  }
}

const recalling = {
  principal: { ...writer.principal, scopes: new Set([...writer.principal.scopes, 'recalls:write']) },
};

async function srnsOf({ database }: CoreArchive, convention: string, pattern: string): Promise<string[]> {
  const rows = await database.sql<{ srn: string }[]>`
    select p.srn from (
      select source_id, record_id from sources where convention = ${convention} and source_id like ${pattern} offset 0) s
    cross join lateral (select srn from published where record_id = s.record_id offset 0) p`;
  return rows.map(({ srn }) => srn);
}
