import type { IngestionWrites } from '../../ingestion/ingestions.ts';
import type { Transaction } from '../connection/connect.ts';
import { useIndexLookups } from './plans.ts';

/** Finds an earlier upload of the same bytes. A transaction under way with them is waited for, and then found. */
export async function findRepeat(
  tx: Transaction,
  actor: number,
  { pinned, contentSha256 }: Parameters<IngestionWrites['findRepeat']>[0],
): Promise<string | undefined> {
  const { convention, schema } = pinned;
  await useIndexLookups(tx);
  await tx`select pg_advisory_xact_lock(hashtextextended(${`upload ${convention} ${contentSha256}`}, 0))`;
  const [found] = await tx<{ id: string; ended: boolean }[]>`
    select id, stopped_at is not null
             or exists (select from batches where ingestion = i.id and status = 'failed' and errored > 0) as ended
    from ingestions i
    where convention = ${convention} and content_sha256 = ${contentSha256} and actor = ${actor}
      and (schema_id, schema_version) = (${schema.id}, ${schema.version})
      and sealed_at > now() - interval '24 hours' and deposition is null
    order by sealed_at desc limit 1`;
  if (!found || found.ended) return undefined;
  return (await isOvertaken(tx, found.id, convention)) ? undefined : found.id;
}

/**
 * Whether one of its sources has come in again since. The times of uploads do not tell, since a slow upload may be the
 * newer one.
 */
async function isOvertaken(tx: Transaction, id: string, convention: string): Promise<boolean> {
  const rows = await tx`
    select from batches b
    cross join lateral (
      select source_id from batch_records where batch = b.id and status <> 'invalid' offset 0) r
    cross join lateral (
      select last_batch from sources where convention = ${convention} and source_id = r.source_id offset 0) s
    cross join lateral (select ingestion from batches where id = s.last_batch offset 0) h
    where b.ingestion = ${id} and h.ingestion <> ${id}
    limit 1`;
  return rows.length > 0;
}
