import { expect, test } from 'vitest';
import { convention, coreArchive, record } from '../support/core-archive.ts';
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
