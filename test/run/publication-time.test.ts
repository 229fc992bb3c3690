import { type OpenTable, openRows, portions } from '@osa/core/data/read';
import { recompute } from '@osa/core/recompute/recompute';
import { executeNext } from '@osa/core/run/execute';
import { expect, test } from 'vitest';
import { recomputed, writer } from '../recompute/recompute-support.ts';
import { type CoreArchive, convention, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { until } from '../support/database/database.ts';

test('a record is published after each reader that has looked for publications under way', async () => {
  const bench = await coreArchive();
  try {
    await bench.deploy({});
    await bench.ingest([record('x', 1)]);
    const { queue } = bench.execution;
    const claim = await queue.claim({
      name: 'test',
      leaseMs: 60_000,
      runtimes: ['directory'],
      fullHooks: [],
    });
    if (!claim) throw new Error('no batch can be claimed');
    let finishing: Promise<void> | undefined;
    const looked = await bench.open('app').transaction(async (tx) => {
      await tx`select pg_advisory_xact_lock_shared(hashtext('osa.publish'), hashtext(${convention}))`;
      finishing = queue.finish(claim, []);
      await until('the commit waits for the reader', async () => {
        const waiting = await bench.database.sql`
          select from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())`;
        return waiting.length > 0;
      });
      const [row] = await tx<{ at: string }[]>`select clock_timestamp() as at`;
      return row?.at ?? null;
    });
    await finishing;
    const [found] = await bench.database.sql<{ early: number; all: number }[]>`
      select count(*)::integer as all, count(*) filter (where published_at <= ${looked}::text::timestamptz)::integer as early
      from published`;
    expect(found).toEqual({ all: 1, early: 0 });
  } finally {
    await bench.dispose();
  }
});

const plain = (value: number) => ({ code: hookCode(`return { features: [{ value: ${value} }] }`) });

function openProbe({ store }: CoreArchive): Promise<OpenTable> {
  return openRows(store, 'bench-record', 'probe', { history: false });
}

async function valuesOf({ store }: CoreArchive, open: OpenTable): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const rows of portions(store, open)) values.push(...rows.map(({ value }) => value));
  return values;
}

async function untilWaiting({ database }: CoreArchive): Promise<void> {
  await until('a commit waits for the table', async () => {
    const waiting = await database.sql`
      select from pg_locks where relation = 'features.probe'::regclass and not granted
        and database = (select oid from pg_database where datname = current_database())`;
    return waiting.length > 0;
  });
}

test('rows that are computed again are current after each reader that has looked before their commit', async () => {
  const bench = await coreArchive();
  try {
    await bench.deploy({ probe: plain(1) });
    await bench.ingest([record('x', 1)]);
    await bench.drain();
    await bench.deploy({ probe: plain(2) });
    await recompute(bench.store, writer, 'probe', {});
    let ended: Promise<boolean> | undefined;
    // The run has ended, its rows wait for the table, and nobody holds the lock for publications yet.
    const open = await bench.open('owner').transaction(async (tx) => {
      await tx`lock table features.probe in share mode`;
      ended = executeNext(bench.execution, new AbortController().signal);
      await untilWaiting(bench);
      return openProbe(bench);
    });
    await ended;
    expect(await valuesOf(bench, open)).toEqual([1]);
    expect(await valuesOf(bench, await openProbe(bench))).toEqual([2]);
  } finally {
    await bench.dispose();
  }
});

test('a reader who looks during a commit does not go back behind an earlier one', async () => {
  const bench = await coreArchive();
  try {
    await bench.deploy({ probe: plain(1) });
    await bench.ingest([record('x', 1)]);
    await bench.drain();
    await bench.deploy({ probe: plain(2) });
    await recomputed(bench);
    const open = await bench.open('app').transaction(async (tx) => {
      await tx`select pg_advisory_xact_lock(hashtext('osa.publish'), hashtext(${convention}))`;
      return openProbe(bench);
    });
    expect(await valuesOf(bench, open)).toEqual([2]);
  } finally {
    await bench.dispose();
  }
});

const valued = { code: hookCode('return { features: [{ value: metadata.value }] }') };

/** Lets the database publish by a clock that is two hours ahead, until the answer is called. */
async function setClockAhead(bench: CoreArchive): Promise<() => Promise<void>> {
  const { sql } = bench.open('owner');
  const [found] = await sql<{ rule: string }[]>`
    select pg_get_expr(adbin, adrelid) as rule from pg_attrdef
    where adrelid = 'records'::regclass and pg_get_expr(adbin, adrelid) like '%clock_timestamp()%'`;
  const set = (rule: string) =>
    sql.unsafe(`alter table records alter column published_at set default ${rule}`);
  await set(`clock_timestamp() + interval '2 hours'`);
  return async () => void (await set(found?.rule ?? 'null'));
}

test('records and rows that were published by a clock ahead are seen at once when it is right', async () => {
  const bench = await coreArchive();
  try {
    await bench.deploy({ probe: valued });
    const setRight = await setClockAhead(bench);
    await bench.ingest([record('x', 1)]);
    await bench.drain();
    await setRight();
    const open = await openProbe(bench);
    expect(await valuesOf(bench, open)).toEqual([1]);
    // Later publications have later times, so all pages of a reading are as of its moment.
    await bench.ingest([record('x', 2), record('y', 3)]);
    await bench.drain();
    expect(await valuesOf(bench, open)).toEqual([1]);
    expect(await valuesOf(bench, await openProbe(bench))).toEqual([2, 3]);
    const stored = await bench.database.sql`
      select version from records order by published_at, record_id`;
    expect(stored[0]).toEqual({ version: 1 });
  } finally {
    await bench.dispose();
  }
});

test('rows are computed again although the clock was ahead when that was done before', async () => {
  const bench = await coreArchive();
  try {
    await bench.deploy({ probe: plain(1) });
    await bench.ingest([record('x', 1)]);
    await bench.drain();
    await bench.deploy({ probe: plain(2) });
    await recomputed(bench);
    await bench.database.sql`update recompute_times set at = at + interval '2 hours'`;
    const open = await openProbe(bench);
    await bench.deploy({ probe: plain(3) });
    await recomputed(bench);
    expect(await valuesOf(bench, open)).toEqual([2]);
    expect(await valuesOf(bench, await openProbe(bench))).toEqual([3]);
    await bench.ingest([record('x', 2)]);
    await bench.drain();
    const newest = await openProbe(bench);
    expect(await valuesOf(bench, newest)).toEqual([3]);
    const [found] = await bench.database.sql`
      select max(published_at) > (select at from recompute_times) as "isLater" from records`;
    expect(found).toEqual({ isLater: true });
  } finally {
    await bench.dispose();
  }
});
