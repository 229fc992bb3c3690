import type { Database } from '@osa/core/postgres/connection/connect';

/** The ingestion that brought them in. */
export const crowdIngestion = '00000000-0000-0000-0000-000000000001';
const perBatch = 1_000;
/** Further ingestions, which brought nothing in. */
const empty = 10_000;

/**
 * Publishes `count` sources `s0`, `s1` … in the convention, with a row of the hook each, as their ingestion would have, but
 * without proofs; as the owner of the database.
 */
export async function crowd(
  owner: Database,
  { convention, hook, count }: { readonly convention: string; readonly hook: string; readonly count: number },
): Promise<void> {
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`set local enable_hashjoin = on`;
    await tx`
      insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor)
      select ${crowdIngestion}, slug, schema_id, schema_version, ${perBatch}, 'x', (select min(id) from actors)
      from conventions where slug = ${convention}`;
    await tx`
      insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor)
      select gen_random_uuid(), convention, schema_id, schema_version, batch_size, content_sha256, actor
      from ingestions cross join generate_series(1, ${empty}::integer) where id = ${crowdIngestion}`;
    await tx`
      insert into batches (id, ingestion, convention, index, status, fence, snapshot_at, finished_at, records, published, rows)
      select gen_random_uuid(), ${crowdIngestion}, ${convention}, n, 'done', 1, now(), now(), ${perBatch}, ${perBatch}, ${perBatch}
      from generate_series(0, ${count / perBatch - 1}::integer) n`;
    await tx`
      insert into sources (convention, source_id, record_id, last_batch)
      select ${convention}, 's' || n, gen_random_uuid(), b.id
      from generate_series(0, ${count - 1}::integer) n
      join batches b on b.ingestion = ${crowdIngestion} and b.index = n / ${perBatch}`;
    await tx`
      insert into batch_records (batch, source_id, line, metadata, content_digest, status)
      select b.id, s.source_id, 1, '{"value": 0}', sha256('x'), 'published'
      from batches b join sources s on s.last_batch = b.id
      where b.ingestion = ${crowdIngestion} order by b.index, s.source_id`;
    await tx`
      insert into runs (id, batch, hook, version, status, started_at, finished_at, row_count)
      select gen_random_uuid(), id, ${hook}, 1, 'passed', now(), now(), ${perBatch} from batches where ingestion = ${crowdIngestion}`;
    await tx`
      insert into attempts (run, n, fence, memory_bytes, runner, started_at, finished_at, ending, exit_code)
      select u.id, 1, 1, 1, 'crowd', now(), now(), 'exited', 0
      from runs u join batches b on b.id = u.batch where b.ingestion = ${crowdIngestion}`;
    await tx`
      insert into record_sets (convention, schema_id, schema_version, domain)
      select convention, schema_id, schema_version, 'localhost' from ingestions where id = ${crowdIngestion}
      on conflict do nothing`;
    await tx`
      insert into records (batch_record, record_id, version, record_set)
      select r.id, s.record_id, 1, (select id from record_sets where convention = ${convention})
      from batches b join batch_records r on r.batch = b.id
      join sources s on s.convention = ${convention} and s.source_id = r.source_id
      where b.ingestion = ${crowdIngestion}`;
    await tx`
      insert into outcomes (run, batch, hook, batch_record, attempt, status, row_count)
      select u.id, u.batch, u.hook, r.id, 1, 'passed', 1
      from runs u join batches b on b.id = u.batch join batch_records r on r.batch = u.batch
      where b.ingestion = ${crowdIngestion}`;
    await tx`
      insert into ${tx(`features.${hook}`)} (run_id, outcome_id, ordinal, value)
      select o.run, o.id, 0, 0 from outcomes o join batches b on b.id = o.batch where b.ingestion = ${crowdIngestion}`;
  });
}
