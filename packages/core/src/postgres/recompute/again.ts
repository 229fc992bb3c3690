import { cutBatches } from '../../ingestion/batches.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';
import { addBatch } from './add-batch.ts';

/** A batch that was ended while it ran, and where its records belong. */
interface Ended {
  readonly batch: string;
  readonly recompute: string;
  readonly convention: string;
}

/**
 * Puts the records of an ended batch into a new one. The new one stands behind what has arrived since, which no longer
 * waits for the old one; it still finds the newest version of each record.
 */
export async function recomputeAgain(tx: Transaction, old: Ended): Promise<void> {
  const sources = await erroredIn(tx, old.batch);
  if (sources.length === 0) return;
  const batch = await addBatch(tx, { ...old, sources });
  await markRetried(tx, old.batch, { batch, sources });
  await tx`
    update batches set available_at = (select available_at from batches where id = ${old.batch}) where id = ${batch}`;
}

/** Puts the errored records of a recompute, whose turn the caller holds, into new batches. */
export async function retryErrored(
  tx: Transaction,
  { id, batchSize }: { readonly id: string; readonly batchSize: number },
): Promise<{ retried: number; batches: number }> {
  const failed = await tx<{ id: string; convention: string }[]>`
    select id, convention from batches
    where recompute = ${id} and finished_at is not null and errored > 0 order by index`;
  let retried = 0;
  let batches = 0;
  for (const { id: old, convention } of failed) {
    const sources = await erroredIn(tx, old);
    for (const part of cutBatches(sources, { records: batchSize, bytes: () => 0 })) {
      const batch = await addBatch(tx, { recompute: id, convention, sources: part });
      await markRetried(tx, old, { batch, sources: part });
      retried += part.length;
      batches += 1;
    }
  }
  return { retried, batches };
}

async function erroredIn(tx: Transaction, batch: string): Promise<string[]> {
  const rows = await tx<{ source_id: string }[]>`
    select source_id from recompute_records
    where batch = ${batch} and status = 'errored' and retried_in is null order by source_id`;
  return rows.map((row) => row.source_id);
}

/** They are counted where they are tried again, and no longer where they failed. */
async function markRetried(
  tx: Transaction,
  old: string,
  { batch, sources }: { readonly batch: string; readonly sources: readonly string[] },
): Promise<void> {
  await tx`
    update recompute_records set retried_in = ${batch}
    where batch = ${old} and source_id = any (${arrayText(sources)}::text::text[])`;
  await tx`
    update batches set retried = retried + ${sources.length}, errored = errored - ${sources.length} where id = ${old}`;
}
