import { v7 as uuid7 } from 'uuid';
import type { Answer } from '../api/index.ts';
import { arrayLiteral } from '../array-literal.ts';
import { FileRequirements } from '../convention/convention.ts';
import { OsaError } from '../error.ts';
import type {
  IncomingRecord,
  IngestionReads,
  IngestionWrites,
  Pinned,
  Twins,
} from '../ingestion/ingestions.ts';
import type { FieldDefinition } from '../record/schema.ts';
import type { NodeIdentity } from '../record/srn.ts';
import { currentTraceparent } from '../request-context.ts';
import { arrayText } from './array.ts';
import type { Database, Sql, Transaction } from './connection/connect.ts';
import { pagesOf } from './cursor.ts';
import { isShownIngestion } from './deposition/private.ts';
import { failures } from './failures.ts';
import { addRecordFiles, knownFiles } from './files.ts';
import { ingestionRecords } from './ingestion-records.ts';
import { cancelIngestion } from './queue/end.ts';
import { useIndexLookups } from './queue/plans.ts';
import { findRepeat } from './queue/repeat.ts';
import { retry } from './queue/retry.ts';
import { seal } from './queue/seal.ts';
import { unstartable } from './queue/workers.ts';
import { heldUp, pausedJson, setPauseOf } from './registry/pause.ts';

/** The writes of ingestions, within one transaction of one actor. */
export function ingestionWrites(tx: Transaction, actor: number, options: NodeIdentity): IngestionWrites {
  return {
    pin: (convention) => pin(tx, convention),
    findRepeat: (upload) => findRepeat(tx, actor, upload),
    open: (ingestion) => open(tx, actor, ingestion),
    addBatch: (ingestion, index, records) => addBatch(tx, ingestion, index, records),
    knownFiles: (digests) => knownFiles(tx, digests, tx`${actor}`),
    findTwins: (id) => findTwins(tx, id),
    seal: (id, convention) => seal(tx, id, convention),
    view: async (id) => {
      const found = await view(tx, options, id);
      if (!found) throw new OsaError('internal', `ingestion ${id} was stored and is not there`);
      return found;
    },
    conventionOf: async (id) => {
      const [row] = await tx<{ convention: string }[]>`
        select convention from ingestions where id = ${id} and deposition is null`;
      return row?.convention;
    },
    setPause: (id, pause) => setPauseOf(tx, actor, 'ingestion', { id, pause }),
    cancel: (id, reason) => cancelIngestion(tx, id, reason),
    retry: (id) => retry(tx, id),
  };
}

export function ingestionReads({ sql }: Pick<Database, 'sql'>, options: NodeIdentity): IngestionReads {
  return {
    list: (page) => list(sql, options, page),
    show: (id) => view(sql, options, id),
    records: (id, page) => ingestionRecords(sql, id, page),
    failures: (id, limit) => failures(sql, id, limit),
  };
}

async function pin(tx: Transaction, convention: string): Promise<Pinned | undefined> {
  type Row = {
    id: string;
    version: string;
    fields: FieldDefinition[];
    open_text: boolean;
    files: FileRequirements;
  };
  const [row] = await tx<Row[]>`
    select s.id, s.version, s.fields, s.open_text, c.file_requirements as files
    from conventions c join schemas s on s.id = c.schema_id and s.version = c.schema_version
    where c.slug = ${convention}`;
  if (!row) return undefined;
  const { id, version, fields, open_text: openText, files } = row;
  return { convention, schema: { id, version }, fields, openText, files: FileRequirements.parse(files) };
}

async function open(
  tx: Transaction,
  actor: number,
  { pinned, batchSize, contentSha256, deposition }: Parameters<IngestionWrites['open']>[0],
): Promise<{ id: string }> {
  const id = uuid7();
  // Before the first batch: a session also keeps the plans by which it checks foreign keys.
  await useIndexLookups(tx);
  await tx`
    insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor, traceparent, deposition)
    values (${id}, ${pinned.convention}, ${pinned.schema.id}, ${pinned.schema.version}, ${batchSize},
            ${contentSha256}, ${actor}, ${currentTraceparent()}, ${deposition ?? null})`;
  return { id };
}

async function addBatch(
  tx: Transaction,
  ingestion: { readonly id: string; readonly pinned: Pinned },
  index: number,
  records: readonly IncomingRecord[],
): Promise<void> {
  const invalid = records.filter((record) => record.problem !== null).length;
  const batch = uuid7();
  await tx`
    with batch as (
      insert into batches (id, ingestion, convention, index, records, invalid)
      values (${batch}, ${ingestion.id}, ${ingestion.pinned.convention}, ${index}, ${records.length}, ${invalid})
      returning id
    )
    insert into batch_records (batch, source_id, line, metadata, content_digest, status, reason)
    select batch.id, source_id, line, metadata, decode(content_digest, 'hex'),
           case when problem is null then 'pending' else 'invalid' end, problem
    from batch, unnest(
      ${arrayText(records.map((record) => record.sourceId))}::text::text[],
      ${arrayText(records.map((record) => record.line))}::text::integer[],
      ${arrayText(records.map((record) => record.metadata))}::text::json[],
      ${arrayLiteral(records.map((record) => record.contentDigest))}::text::text[],
      ${arrayText(records.map((record) => record.problem))}::text::text[]
    ) as incoming (source_id, line, metadata, content_digest, problem)`;
  await addRecordFiles(
    tx,
    batch,
    records.filter((record) => record.problem === null),
  );
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
           b.retried::integer, (b.rows - b.retried_rows)::float8 as rows, b.batches,
           b.reasons || case when b.open > 0 then ${heldUp(sql, sql`i`)} else '{}' end as reasons,
           case when b.waiting > 0 then ${unstartable(sql, sql`i.convention`)} end as unstartable,
           jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as started_by,
           i.sealed_at as started_at, case when b.open = 0 then b.finished_at end as finished_at
    from ingestions i
    join actors a on a.id = i.actor
    cross join lateral (
      select sum(records) as records, sum(invalid) as invalid, sum(unchanged) as unchanged,
             sum(published) as published, sum(rejected) as rejected, sum(errored) as errored,
             sum(retried) as retried, sum(rows) as rows, sum(retried_rows) as retried_rows, max(finished_at) as finished_at,
             count(*) filter (where status in ('queued', 'running', 'parked')) as open,
             count(*) filter (where status in ('queued', 'parked')) as waiting,
             count(*) filter (where status = 'failed' and errored > 0) as failed,
             jsonb_build_object('queued', count(*) filter (where status = 'queued'),
                                'running', count(*) filter (where status = 'running'),
                                'parked', count(*) filter (where status = 'parked'),
                                'done', count(*) filter (where status = 'done'),
                                'failed', count(*) filter (where status = 'failed')) as batches,
             coalesce(array_agg(distinct reason) filter (
               where reason is not null and (status <> 'failed' or errored > 0)), '{}') as reasons
      from batches where ingestion = i.id) b`;
}

async function view(sql: Sql, options: NodeIdentity, id: string): Promise<IngestionView | undefined> {
  const [row] = await sql<
    IngestionView[]
  >`${views(sql, options)} where i.id = ${id} and ${isShownIngestion(sql, sql`i.id`)}`;
  return row;
}

const listPages = pagesOf('listIngestions');

async function list(
  sql: Sql,
  options: NodeIdentity,
  { convention, status, ...page }: Parameters<IngestionReads['list']>[0],
): Promise<Answer<'listIngestions'>> {
  const before = listPages.after(page.cursor);
  const isOpen = status === 'running' || status === 'paused';
  // The newest first, by index: no more ingestions are computed than are shown, or passed over for their status.
  const found = sql`
    ${views(sql, options)} where ${isShownIngestion(sql, sql`i.id`)}
      ${before ? sql`and i.id < ${String(before.id)}::uuid` : sql``}
      ${convention === undefined ? sql`` : sql`and i.convention = ${convention}`}
      ${isOpen ? sql`and i.id in (select ingestion from batches where status in ('queued', 'running', 'parked'))` : sql``}
    order by i.id desc`;
  // A part of the text: with a limit that is a parameter PostgreSQL plans the statement anew each time.
  const most = sql.unsafe(String(page.limit + 1));
  const rows = await (status === undefined
    ? sql<IngestionView[]>`${found} limit ${most}`
    : sql<IngestionView[]>`
        select * from (${found}) v where v.status = ${status} order by v.id desc limit ${most}`);
  const { page: items, next_cursor } = listPages.cut(rows, page.limit, ({ id }) => ({ s: null, id }));
  return { items, next_cursor };
}
