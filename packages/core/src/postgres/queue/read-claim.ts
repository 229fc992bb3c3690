import { OsaError } from '../../error.ts';
import type { FeatureContract } from '../../hook/hook.ts';
import type { ReleaseContent } from '../../hook/release.ts';
import type { Claim, ClaimedRecord, ClaimedRun, Lease } from '../../run/queue.ts';
import type { Transaction } from '../connection/connect.ts';
import { filesOfRecords } from '../files.ts';

/** Reads what was claimed, or is in review. None of it changes as long as the batch has this fence. */
export async function readClaim(sql: Transaction, { batch, fence }: Lease): Promise<Claim> {
  const [row] = await sql<Omit<Claim, 'records' | 'runs' | 'batch' | 'fence'>[]>`
    select b.ingestion, b.recompute, b.convention, b.failures,
           jsonb_build_object('id', i.schema_id, 'version', i.schema_version) as schema,
           case when i.deposition is not null
             then jsonb_build_object('id', i.deposition, 'curation', i.curation) end as deposition
    from batches b left join ingestions i on i.id = b.ingestion where b.id = ${batch}`;
  if (!row) throw new OsaError('internal', `batch ${batch} was claimed and is not there`);
  const records =
    row.recompute === null
      ? await sql<ClaimedRecord[]>`
          select id, source_id as "sourceId", metadata::text as metadata
          from batch_records where batch = ${batch} and status = 'pending' order by source_id`
      : await sql<ClaimedRecord[]>`
          select c.batch_record as id, c.source_id as "sourceId", r.metadata::text as metadata
          from (select source_id, batch_record from recompute_records where batch = ${batch} and status = 'pending' offset 0) c
          cross join lateral (select metadata from batch_records where id = c.batch_record offset 0) r
          order by c.source_id`;
  const files = await filesOfRecords(
    sql,
    records.map(({ id }) => id),
  );
  const runs = await sql<(Omit<ClaimedRun, 'release'> & ReleaseContent & { feature: FeatureContract })[]>`
    select run.id, run.hook, run.version, h.feature, r.runtime, r.image, r.digest, r.command, r.config, r.limits,
           r.source_ref,
           (select count(*) filter (where ending = 'timeout') from attempts a where a.run = run.id)::int as timeouts,
           (select count(*) filter (where ending = 'not_started' or resolved_digest <> r.digest)
            from attempts a where a.run = run.id)::int as "notStarted"
    from runs run
    join releases r on r.hook = run.hook and r.version = run.version
    join hooks h on h.name = run.hook
    left join convention_hooks c on c.slug = ${row.convention} and c.hook = run.hook
    where run.batch = ${batch} order by c.position nulls last, run.hook`;
  return {
    ...row,
    batch,
    fence,
    records: files.size === 0 ? records : records.map((one) => withFiles(one, files.get(one.id))),
    runs: runs.map(({ id, hook, version, feature, timeouts, notStarted, ...release }) => {
      return { id, hook, version, feature, timeouts, notStarted, release };
    }),
  };
}

function withFiles(record: ClaimedRecord, files: ClaimedRecord['files']): ClaimedRecord {
  return files === undefined ? record : { ...record, files };
}
