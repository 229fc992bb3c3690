import type { BlobStore } from '../../storage/index.ts';
import type { Database, Transaction } from '../connection/connect.ts';
import { requireMigrated } from '../migrate.ts';
import { blobFaults } from './blobs.ts';
import { contentCheck, deployFaults, releaseFaults } from './digests.ts';
import { type Findings, planForWholeTables, runChecks } from './faults.ts';
import { historyChecks } from './histories.ts';

export interface RestoredReport extends Findings {
  readonly counts: Readonly<Record<'blobs' | 'releases' | 'deploys' | 'records' | 'runs', number>>;
}

/**
 * Whether a restored archive is whole: each blob and file that the database names is in the store with its bytes, and each
 * history is what was written. Reads everything, as of one moment.
 *
 * @throws OsaError `conflict` (not migrated), `unavailable`
 */
export async function checkRestored(database: Database, store: BlobStore): Promise<RestoredReport> {
  await requireMigrated(database);
  return database.transaction(
    async (tx) => {
      await planForWholeTables(tx);
      const counts = await countAll(tx);
      const checked = await runChecks(tx, [...(await historyChecks(tx)), await contentCheck(tx)]);
      const others = [await releaseFaults(tx), await deployFaults(tx), await blobFaults(tx, store)];
      return { counts, faults: [...checked.faults, ...others.flat()], isCut: checked.isCut };
    },
    { readOnly: true },
  );
}

async function countAll(tx: Transaction): Promise<RestoredReport['counts']> {
  const [counts] = await tx<Record<string, string>[]>`
    select (select count(*) from files) as blobs, (select count(*) from releases) as releases,
      (select count(*) from deploys) as deploys, (select count(*) from records) as records,
      (select count(*) from runs) as runs`;
  const of = (name: string) => Number(counts?.[name] ?? 0);
  return {
    blobs: of('blobs'),
    releases: of('releases'),
    deploys: of('deploys'),
    records: of('records'),
    runs: of('runs'),
  };
}
