import type postgres from 'postgres';
import { failpoint } from '../failpoint.ts';
import type { RecordFile, StoredFile } from '../file/file.ts';
import type { FileReads, FileWrites, PublishedFile } from '../file/files.ts';
import type { IncomingRecord } from '../ingestion/ingestions.ts';
import { arrayText } from './array.ts';
import type { Database, Sql, Transaction } from './connection/connect.ts';

export function fileWrites(tx: Transaction, actor: number): FileWrites {
  return {
    async record(sha256, { size, head }) {
      await tx`
        insert into files (sha256, size, actor) values (${sha256}, ${size}, ${actor}) on conflict (sha256) do nothing`;
      await tx`
        insert into stored_files (sha256, head) values (${sha256}, decode(${Buffer.from(head).toString('hex')}, 'hex'))
        on conflict (sha256) do nothing`;
      await tx`insert into file_senders (actor, sha256) values (${actor}, ${sha256}) on conflict do nothing`;
    },
  };
}

export function fileReads({ sql }: Pick<Database, 'sql'>): FileReads {
  return {
    known: ({ issuer, subject }, digests) =>
      knownFiles(
        sql,
        digests,
        sql`(select id from actors where issuer = ${issuer} and subject = ${subject})`,
      ),
    async ofRecord({ id, version }) {
      const [record] = await sql<{ batch_record: string }[]>`
        select batch_record from records
        where record_id = ${id} and (${version ?? null}::integer is null or version = ${version ?? null}::integer)
        order by version desc limit 1`;
      return record && (await filesOf(sql, record.batch_record));
    },
  };
}

/** Says which files the records of a new batch have. */
export async function addRecordFiles(
  tx: Transaction,
  batch: string,
  records: readonly Pick<IncomingRecord, 'sourceId' | 'files'>[],
): Promise<void> {
  const named = records.flatMap(({ sourceId, files }) => files.map((file) => ({ sourceId, ...file })));
  if (named.length === 0) return;
  await tx`
    insert into record_files (batch_record, name, sha256)
    select r.id, f.name, f.sha256
    from unnest(
      ${arrayText(named.map(({ sourceId }) => sourceId))}::text::text[],
      ${arrayText(named.map(({ name }) => name))}::text::text[],
      ${arrayText(named.map(({ sha256 }) => sha256))}::text::text[]
    ) as f (source_id, name, sha256)
    cross join lateral (
      select id from batch_records where batch = ${batch} and source_id = f.source_id offset 0) r`;
  await failpoint('file.linked');
}

/** A record that is tried again has the files that it came with. */
export async function copyRecordFiles(
  tx: Transaction,
  { batch, ids }: { readonly batch: string; readonly ids: readonly string[] },
): Promise<void> {
  await tx`
    insert into record_files (batch_record, name, sha256)
    select n.id, f.name, f.sha256
    from unnest(${arrayText(ids)}::text::bigint[]) as old (id)
    cross join lateral (select name, sha256 from record_files where batch_record = old.id offset 0) f
    cross join lateral (select source_id from batch_records where id = old.id offset 0) o
    cross join lateral (
      select id from batch_records where batch = ${batch} and source_id = o.source_id offset 0) n`;
}

/** The files of records, by record. */
export async function filesOfRecords(
  sql: Sql,
  ids: readonly string[],
): Promise<ReadonlyMap<string, RecordFile[]>> {
  const rows = await sql<(RecordFile & { id: string })[]>`
    select asked.id, r.name, r.sha256, f.size::float8 as size
    from unnest(${arrayText(ids)}::text::bigint[]) as asked (id)
    cross join lateral (select name, sha256 from record_files where batch_record = asked.id offset 0) r
    cross join lateral (select size from files where sha256 = r.sha256 offset 0) f
    order by asked.id, r.name`;
  const found = new Map<string, RecordFile[]>();
  for (const { id, ...file } of rows) {
    const files = found.get(id);
    if (files) files.push(file);
    else found.set(id, [file]);
  }
  return found;
}

/** Looked up one by one: a join would read all files where the planner expects few. */
async function storedFiles(sql: Sql, digests: readonly string[]): Promise<ReadonlyMap<string, StoredFile>> {
  const rows = await sql<{ sha256: string; size: number; head: string }[]>`
    select f.sha256, f.size::float8 as size, encode(s.head, 'hex') as head
    from unnest(${arrayText(digests)}::text::text[]) as asked (sha256)
    cross join lateral (select head from stored_files where sha256 = asked.sha256 offset 0) s
    cross join lateral (select sha256, size from files where sha256 = asked.sha256 offset 0) f`;
  return new Map(rows.map(({ sha256, size, head }) => [sha256, { size, head: Buffer.from(head, 'hex') }]));
}

/** Those that the actor has sent, or may read in a published record. The database refuses all others in records and drafts. */
export async function knownFiles(
  sql: Sql,
  digests: readonly string[],
  actor: postgres.PendingQuery<postgres.Row[]>,
): Promise<ReadonlyMap<string, StoredFile>> {
  const rows = await sql<{ sha256: string }[]>`
    select asked.sha256
    from unnest(${arrayText(digests)}::text::text[]) as asked (sha256)
    cross join (select ${actor}::bigint as id offset 0) a
    where may_use_file(a.id, asked.sha256)`;
  return storedFiles(
    sql,
    rows.map(({ sha256 }) => sha256),
  );
}

async function filesOf(sql: Sql, batchRecord: string): Promise<readonly PublishedFile[]> {
  return sql<PublishedFile[]>`
    select r.name, f.size::float8 as size, r.sha256
    from (select name, sha256 from record_files where batch_record = ${batchRecord} order by name offset 0) r
    cross join lateral (select size from files where sha256 = r.sha256 offset 0) f
    order by r.name`;
}
