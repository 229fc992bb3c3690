import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import { expect, test } from 'vitest';
import { coreArchive } from '../support/core-archive.ts';
import { boundedReads, stopAutovacuum } from '../support/database/table-reads.ts';

/** Runs are listed newest first; those of a hook that has not run for long are not looked for among all others. */

const others = 20_000;

test('runs of a hook or release that is rare cost what they are, not what ran since', async () => {
  const archive = await coreArchive();
  try {
    const owner = archive.open('owner', { max: 1 });
    await stopAutovacuum(owner);
    await archive.deploy({ busy: {}, rare: {} });
    await ran(owner, { hook: 'rare', count: 1_000, from: '2026-01-01T00:00:00Z' });
    await owner.sql`analyze runs`;
    await ran(owner, { hook: 'busy', count: others, from: '2026-02-01T00:00:00Z' });
    const app = archive.open('app', { max: 1 });
    const { runs } = postgresStore(app, { domain: 'localhost' });
    const { measure, over } = boundedReads(app, {
      ...{ tables: ['runs'], entriesPerRecord: 25, wholeFrom: others },
    });
    const common = { limit: 2, cursor: undefined, status: undefined, ingestion: undefined };
    for (const release of [undefined, 1]) {
      await measure(`page of release ${release}`, 2, () => runs.list({ ...common, hook: 'rare', release }));
    }
    expect(over).toEqual([]);
  } finally {
    await archive.dispose();
  }
});

/** Runs as they stand in the table when they have ended, without proofs; a second apart. */
async function ran(
  owner: Database,
  { hook, count, from }: { readonly hook: string; readonly count: number; readonly from: string },
): Promise<void> {
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`
      with made as (
        insert into batches (id, ingestion, convention, index, status, fence, snapshot_at, finished_at, records)
        select gen_random_uuid(), gen_random_uuid(), 'bench', n, 'done', 1, now(), now(), 1
        from generate_series(1, ${count}::integer) n returning id, index)
      insert into runs (id, batch, hook, version, status, created_at, started_at, finished_at, row_count)
      select gen_random_uuid(), id, ${hook}, 1, 'passed', ${from}::text::timestamptz + index * interval '1 second', now(), now(), 1
      from made`;
  });
}
