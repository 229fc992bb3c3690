import { v7 as uuid7 } from 'uuid';
import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import type { Page } from '../hook/registry.ts';
import { cutBatches } from '../ingestion/batches.ts';
import {
  type IncomingRecord,
  type IngestionReads,
  type IngestionWrites,
  type Pinned,
  type RecordFilter,
  type Twins,
  unknownIngestion,
} from '../ingestion/ingestions.ts';
import type { FieldDefinition } from '../record/schema.ts';
import type { NodeIdentity } from '../record/srn.ts';
import { arrayText } from './array.ts';
import type { Database, Sql, Transaction } from './connection/connect.ts';
import type { Hole } from './connection/statement.ts';
import { pagesOf } from './cursor.ts';
import { cancelIngestion, takeTurn } from './queue/end.ts';
import { batchesChannel } from './queue/lease.ts';
import { useIndexLookups } from './queue/plans.ts';
import { heldUp, pausedJson, setIngestionPause } from './registry/pause.ts';

/** The writes of ingestions, within one transaction of one actor. */
export function ingestionWrites(tx: Transaction, actor: number, options: NodeIdentity): IngestionWrites {
  return {
    pin: (convention) => pin(tx, convention),
    open: (ingestion) => open(tx, actor, ingestion),
    addBatch: (ingestion, index, records) => addBatch(tx, ingestion, index, records),
    findTwins: (id) => findTwins(tx, id),
    seal: (id, convention) => seal(tx, id, convention),
    view: async (id) => {
      const found = await view(tx, options, id);
      if (!found) throw new OsaError('internal', `ingestion ${id} was stored and is not there`);
      return found;
    },
    conventionOf: async (id) => {
      const [row] = await tx<{ convention: string }[]>`select convention from ingestions where id = ${id}`;
      return row?.convention;
    },
    setPause: (id, pause) => setIngestionPause(tx, actor, id, pause),
    cancel: (id, reason) => cancelIngestion(tx, id, reason),
    retry: (id) => retry(tx, id),
  };
}

export function ingestionReads({ sql }: Pick<Database, 'sql'>, options: NodeIdentity): IngestionReads {
  return {
    list: (page) => list(sql, options, page),
    show: (id) => view(sql, options, id),
    records: (id, page) => records(sql, id, page),
  };
}

async function pin(tx: Transaction, convention: string): Promise<Pinned | undefined> {
  const [row] = await tx<{ id: string; version: string; fields: FieldDefinition[] }[]>`
    select s.id, s.version, s.fields
    from conventions c join schemas s on s.id = c.schema_id and s.version = c.schema_version
    where c.slug = ${convention}`;
  return row && { convention, schema: { id: row.id, version: row.version }, fields: row.fields };
}

async function open(
  tx: Transaction,
  actor: number,
  { pinned, batchSize, contentSha256 }: Parameters<IngestionWrites['open']>[0],
): Promise<{ id: string }> {
  const id = uuid7();
  // Before the first batch: a session also keeps the plans by which it checks foreign keys.
  await useIndexLookups(tx);
  await tx`
    insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor)
    values (${id}, ${pinned.convention}, ${pinned.schema.id}, ${pinned.schema.version}, ${batchSize},
            ${contentSha256}, ${actor})`;
  return { id };
}

async function addBatch(
  tx: Transaction,
  ingestion: { readonly id: string; readonly pinned: Pinned },
  index: number,
  records: readonly IncomingRecord[],
): Promise<void> {
  const invalid = records.filter((record) => record.problem !== null).length;
  await tx`
    with batch as (
      insert into batches (id, ingestion, convention, index, records, invalid)
      values (${uuid7()}, ${ingestion.id}, ${ingestion.pinned.convention}, ${index}, ${records.length}, ${invalid})
      returning id
    )
    insert into batch_records (batch, source_id, line, metadata, content_digest, status, reason)
    select batch.id, source_id, line, metadata, content_digest,
           case when problem is null then 'pending' else 'invalid' end, problem
    from batch, unnest(
      ${arrayText(records.map((record) => record.sourceId))}::text::text[],
      ${arrayText(records.map((record) => record.line))}::text::integer[],
      ${arrayText(records.map((record) => record.metadata))}::text::jsonb[],
      ${arrayText(records.map((record) => record.contentDigest))}::text::text[],
      ${arrayText(records.map((record) => record.problem))}::text::text[]
    ) as incoming (source_id, line, metadata, content_digest, problem)`;
}

async function findTwins(tx: Transaction, id: string): Promise<readonly Twins[]> {
  await useIndexLookups(tx);
  const rows = await tx<{ source_id: string; lines: [number, number] }[]>`
    select source_id, (array_agg(line order by line))[1:2] as lines
    from batches b cross join lateral (select source_id, line from batch_records where batch = b.id offset 0) r
    where b.ingestion = ${id}
    group by source_id having count(*) > 1
    order by min(line) limit 1`;
  return rows.map((row) => ({ sourceId: row.source_id, lines: row.lines }));
}

/**
 * Statement by statement, since each must see what the one before it waited for: make the missing heads, lock
 * all of them, note the batches met there that are not done, put ours in their place. Heads are taken in one order, so
 * that two uploads never wait for each other in a ring.
 */
async function seal(tx: Transaction, id: string, convention: string): Promise<void> {
  await useIndexLookups(tx);
  const valid = tx`
    select r.source_id, b.id as batch
    from batches b
    cross join lateral (select source_id from batch_records where batch = b.id and status = 'pending' offset 0) r
    where b.ingestion = ${id} order by r.source_id`;
  await tx`
    insert into sources (convention, source_id, record_id, last_batch)
    select ${convention}, source_id, gen_random_uuid(), batch from (${valid}) v order by source_id
    on conflict (convention, source_id) do nothing`;
  await tx`
    select from (${valid} offset 0) v
    cross join lateral (
      select source_id from sources where convention = ${convention} and source_id = v.source_id for update) s`;
  await tx`
    insert into batch_gates (batch, predecessor)
    select distinct v.batch, p.id
    from (${valid} offset 0) v
    cross join lateral (
      select last_batch from sources where convention = ${convention} and source_id = v.source_id offset 0) s
    cross join lateral (select id, status from batches where id = s.last_batch offset 0) p
    where p.id <> v.batch and p.status <> 'done'`;
  await replaceHeads(tx, convention, valid);
  await tx`select pg_notify(${batchesChannel}, '')`;
}

/** Makes the batch of each of `arrivals` (source_id, batch) the newest of its source. The heads are there and locked. */
async function replaceHeads(tx: Transaction, convention: string, arrivals: Hole): Promise<void> {
  await tx`
    insert into sources as s (convention, source_id, record_id, last_batch)
    select ${convention}, source_id, gen_random_uuid(), batch from (${arrivals}) arrivals
    on conflict (convention, source_id) do update set last_batch = excluded.last_batch
    where s.last_batch <> excluded.last_batch`;
}

/**
 * Copies into new batches what failed, unless its source came in again since: then that content goes first. Retries
 * take turns, the sources are locked against uploads, and only what was locked is looked at.
 */
async function retry(
  tx: Transaction,
  id: string,
): Promise<{ retried: number; overtaken: number; batches: number }> {
  await takeTurn(tx, id);
  await useIndexLookups(tx);
  const [ingestion] = await tx<{ batch_size: number; convention: string }[]>`
    select batch_size, convention from ingestions where id = ${id}`;
  if (!ingestion) throw unknownIngestion(id);
  const locked = await tx<{ id: string }[]>`
    select r.id
    from (
      select r.id, r.source_id from batches b
      cross join lateral (
        select id, source_id from batch_records
        where batch = b.id and status in ('rejected', 'errored') and retried_in is null offset 0) r
      where b.ingestion = ${id} order by r.source_id offset 0) r
    cross join lateral (
      select source_id from sources
      where convention = ${ingestion.convention} and source_id = r.source_id for update) s`;
  const candidates = await tx<{ id: string; newest: boolean; bytes: number }[]>`
    select r.id, s.last_batch = r.batch as newest, octet_length(r.metadata::text) as bytes
    from batch_records r
    cross join lateral (
      select last_batch from sources
      where convention = ${ingestion.convention} and source_id = r.source_id offset 0) s
    where r.id = any (${arrayText(locked.map((row) => row.id))}::text::bigint[])
    order by r.line`;
  const chosen = candidates.filter((candidate) => candidate.newest);
  const [next] = await tx<{ index: number }[]>`
    select max(index) + 1 as index from batches where ingestion = ${id}`;
  const groups = cutBatches(chosen, { records: ingestion.batch_size, bytes: (record) => record.bytes });
  for (const [offset, group] of groups.entries()) {
    const ids = group.map((candidate) => candidate.id);
    await retryBatch(tx, { id, convention: ingestion.convention }, (next?.index ?? 0) + offset, ids);
  }
  if (groups.length > 0) await tx`select pg_notify(${batchesChannel}, '')`;
  return {
    retried: chosen.length,
    overtaken: candidates.length - chosen.length,
    batches: groups.length,
  };
}

async function retryBatch(
  tx: Transaction,
  ingestion: { readonly id: string; readonly convention: string },
  index: number,
  ids: readonly string[],
): Promise<void> {
  const batch = uuid7();
  const chosen = arrayText(ids);
  await tx`
    insert into batches (id, ingestion, convention, index, records)
    select ${batch}, id, convention, ${index}, ${ids.length} from ingestions where id = ${ingestion.id}`;
  await tx`
    insert into batch_records (batch, source_id, line, metadata, content_digest)
    select ${batch}, source_id, line, metadata, content_digest from batch_records
    where id = any (${chosen}::text::bigint[])`;
  // A batch that failed without having run may stand behind another one, and so does what takes its place.
  await tx`
    insert into batch_gates (batch, predecessor)
    select distinct ${batch}::uuid, r.batch from batch_records r join batches p on p.id = r.batch
    where r.id = any (${chosen}::text::bigint[]) and p.status = 'failed'`;
  await tx`update batch_records set retried_in = ${batch} where id = any (${chosen}::text::bigint[])`;
  await tx`
    update batches b
    set retried = retried + c.total, rejected = b.rejected - c.rejected, errored = b.errored - c.errored
    from (select batch, count(*) as total, count(*) filter (where status = 'rejected') as rejected,
                 count(*) filter (where status = 'errored') as errored
          from batch_records where id = any (${chosen}::text::bigint[]) group by batch) c
    where b.id = c.batch`;
  const arrivals = tx`select source_id, batch from batch_records where batch = ${batch}`;
  await replaceHeads(tx, ingestion.convention, arrivals);
}

type IngestionView = Answer<'showIngestion'>;

/** Ingestions with their counts, which are kept on the batches. */
function views(sql: Sql, options: NodeIdentity) {
  return sql`
    select i.id, ${`urn:osa:${options.domain}:ing:`} || i.id as srn, i.convention as convention_id,
           jsonb_build_object('id', i.schema_id, 'version', i.schema_version) as schema_id,
           case when b.open > 0 and i.paused_at is not null then 'paused' when b.open > 0 then 'running'
                when b.failed > 0 and i.cancelled then 'cancelled' when b.failed > 0 then 'failed'
                else 'completed' end as status,
           ${pausedJson(sql, sql`i`)} as paused,
           (b.records - b.retried)::integer as records, b.invalid::integer, b.unchanged::integer,
           b.published::integer, b.rejected::integer, b.errored::integer,
           (b.records - b.retried - b.invalid - b.unchanged - b.published - b.rejected - b.errored)::integer as pending,
           b.retried::integer, b.rows::float8 as rows, b.batches,
           b.reasons || case when b.open > 0 then ${heldUp(sql, sql`i`)} else '{}' end as reasons,
           jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as started_by,
           i.sealed_at as started_at, case when b.open = 0 then b.finished_at end as finished_at
    from ingestions i
    join actors a on a.id = i.actor
    cross join lateral (
      select sum(records) as records, sum(invalid) as invalid, sum(unchanged) as unchanged,
             sum(published) as published, sum(rejected) as rejected, sum(errored) as errored,
             sum(retried) as retried, sum(rows) as rows, max(finished_at) as finished_at,
             count(*) filter (where status in ('queued', 'running', 'parked')) as open,
             count(*) filter (where status = 'failed' and errored > 0) as failed,
             jsonb_build_object('queued', count(*) filter (where status = 'queued'),
                                'running', count(*) filter (where status = 'running'),
                                'parked', count(*) filter (where status = 'parked'),
                                'done', count(*) filter (where status = 'done'),
                                'failed', count(*) filter (where status = 'failed')) as batches,
             coalesce(array_agg(distinct reason) filter (where reason is not null), '{}') as reasons
      from batches where ingestion = i.id) b`;
}

async function view(sql: Sql, options: NodeIdentity, id: string): Promise<IngestionView | undefined> {
  const [row] = await sql<IngestionView[]>`${views(sql, options)} where i.id = ${id}`;
  return row;
}

const listPages = pagesOf('listIngestions');

async function list(sql: Sql, options: NodeIdentity, page: Page): Promise<Answer<'listIngestions'>> {
  const before = listPages.after(page.cursor);
  const rows = await sql<IngestionView[]>`
    ${views(sql, options)} where ${before ? String(before.id) : null}::uuid is null or i.id < ${before ? String(before.id) : null}::uuid
    order by i.id desc limit ${page.limit + 1}`;
  const { page: items, next_cursor } = listPages.cut(rows, page.limit, ({ id }) => ({ s: null, id }));
  return { items, next_cursor };
}

const recordPages = pagesOf('listIngestionRecords');

async function records(
  sql: Sql,
  id: string,
  page: Page & { readonly status?: RecordFilter | undefined },
): Promise<Answer<'listIngestionRecords'> | undefined> {
  const [known] = await sql`select from ingestions where id = ${id}`;
  if (!known) return undefined;
  const after = recordPages.afterNumber(page.cursor) ?? 0;
  const failed = page.status === 'failed';
  const wanted = failed ? ['invalid', 'rejected', 'errored'] : page.status ? [page.status] : null;
  type Row = Answer<'listIngestionRecords'>['items'][number] & { id: string };
  const rows = await sql<Row[]>`
    select r.id, r.source_id, r.line, b.index as batch, r.status, r.reason, r.record as record_srn,
           coalesce((select jsonb_agg(jsonb_build_object('hook', o.hook, 'version', run.version, 'status', o.status,
                                                         'reason', o.reason) order by o.id)
                     from outcomes o join runs run on run.id = o.run where o.batch_record = r.id), '[]') as outcomes
    from batch_records r join batches b on b.id = r.batch
    where b.ingestion = ${id} and r.id > ${after}
      and (${wanted === null} or r.status = any (${arrayText(wanted ?? [])}::text::text[]))
      and (${!failed} or r.retried_in is null)
    order by r.id limit ${page.limit + 1}`;
  const { page: items, next_cursor } = recordPages.cut(rows, page.limit, (row) => ({
    s: null,
    id: Number(row.id),
  }));
  return { items: items.map(({ id: _, ...item }) => item), next_cursor };
}
