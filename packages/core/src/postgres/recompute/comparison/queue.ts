import { OsaError } from '../../../error.ts';
import type { FeatureContract } from '../../../hook/hook.ts';
import { parseExactJson } from '../../../json/exact.ts';
import { bounds } from '../../../limits.ts';
import {
  type ComparedRecord,
  type ComparisonQueue,
  type HeldComparison,
  mostBeginnings,
} from '../../../recompute/comparison/comparisons.ts';
import type { RowChunk } from '../../../run/output/judgement.ts';
import type { Lease } from '../../../run/queue.ts';
import { arrayText } from '../../array.ts';
import { isLeaseOver } from '../../clock.ts';
import type { Database, Sql } from '../../connection/connect.ts';
import { rowValues } from '../../data/rows.ts';
import { filesOfRecords } from '../../files.ts';
import { useIndexLookups } from '../../queue/plans.ts';
import { columnSqlType } from '../../registry/column-type.ts';

/** Comparisons as a queue. `endings` is for what may take long: reading records and rows. */
export function comparisonQueue(database: Database, endings: Database = database): ComparisonQueue {
  return {
    claim: (worker) => claim(database, worker),
    renew: (held, leaseMs) => renew(database, held, leaseMs),
    records: (held) => records(endings, held),
    read: (held, ids) => read(endings, held, ids),
    asStored: (feature, chunk) => asStored(endings.sql, feature, chunk),
    async finish(held, end) {
      await finish(database, held, end);
    },
    async giveBack({ batch: id, fence }) {
      await database.sql`
        update comparisons set status = 'queued', lease_until = null, claimed_by = null
        where id = ${id} and fence = ${fence} and status = 'running'`;
    },
  };
}

/** One at a time for each worker, as it has room for. */
async function claim(
  database: Database,
  { name, leaseMs, runtimes }: Parameters<ComparisonQueue['claim']>[0],
): Promise<HeldComparison | undefined> {
  const { sql } = database;
  const [taken] = await sql<{ id: string; fence: string }[]>`
    update comparisons
    set status = 'running', fence = fence + 1, claimed_by = ${name},
        lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where id = (
      select c.id from comparisons c
      where c.finished_at is null and (c.status = 'queued' or ${isLeaseOver(sql, sql`c.lease_until`)})
        and (select runtime from releases where hook = c.hook and version = c.version)
          = any (${arrayText(runtimes)}::text::text[])
        and not exists (
          select from comparisons mine
          where mine.finished_at is null and mine.claimed_by = ${name} and not ${isLeaseOver(sql, sql`mine.lease_until`)})
      order by c.id limit 1 for no key update skip locked)
    returning id, fence`;
  if (!taken) return undefined;
  const [held] = await sql<HeldComparison[]>`
    select c.id as batch, c.fence, c.hook, c.version, h.feature, c.tolerances, c.keys,
           jsonb_build_object('runtime', r.runtime, 'image', r.image, 'digest', r.digest, 'command', r.command,
                              'limits', r.limits, 'source_ref', r.source_ref) as release, r.config::text as config
    from comparisons c
    join hooks h on h.name = c.hook
    join releases r on r.hook = c.hook and r.version = c.version
    where c.id = ${taken.id}`;
  if (!held) throw new OsaError('internal', `comparison ${taken.id} was claimed and is not there`);
  const { config, ...rest } = held as HeldComparison & { readonly config: string };
  const whole = {
    ...rest,
    fence: taken.fence,
    release: { ...rest.release, config: parseExactJson(config) as HeldComparison['release']['config'] },
  };
  if (Number(taken.fence) <= mostBeginnings) return whole;
  await finish(database, whole, {
    problem: `${mostBeginnings} workers began it and were lost, were stopped, or could not reach what it takes`,
  });
  return undefined;
}

async function renew({ sql }: Database, { batch: id, fence }: Lease, leaseMs: number): Promise<boolean> {
  const rows = await sql`
    update comparisons set lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where id = ${id} and fence = ${fence} and status = 'running' and lease_until > clock_timestamp() returning id`;
  return rows.length > 0;
}

/**
 * The records in groups of one convention. A sample is drawn by a digest of the seed and the record's id, which does not
 * depend on when it is drawn.
 */
async function records(
  database: Database,
  { batch: id }: HeldComparison,
): Promise<readonly (readonly string[])[]> {
  const rows = await database.transaction(
    async (tx) => {
      await useIndexLookups(tx);
      return tx<{ batch_record: string; convention: string }[]>`
        with wanted as materialized (select * from comparisons where id = ${id})
        select r.batch_record, s.convention
        from wanted c
        cross join lateral (
          select r.batch_record, r.record_set
          from (
            select batch_record, record_id, record_set from records r
            where c.list is null
              and not exists (select from records n where n.record_id = r.record_id and n.version = r.version + 1 offset 0)
            union all
            select r.batch_record, r.record_id, r.record_set
            from unnest(c.list) as listed (id)
            cross join lateral (
              select batch_record, record_id, record_set from records where batch_record = listed.id offset 0) r) r
          where exists (
              select from outcomes o where o.batch_record = r.batch_record and o.hook = c.hook and o.status <> 'errored'
                and case when c.against is null then o.superseded_by is null
                    else (select version from runs where id = o.run) = c.against end
              offset 0)
            and (c.convention is null
                 or exists (select from record_sets where id = r.record_set and convention = c.convention offset 0))
          order by sha256(convert_to(c.seed || ' ' || r.record_id, 'UTF8'))
          limit least(coalesce(c.sample, ${bounds.comparedRecords}), ${bounds.comparedRecords})) r
        cross join lateral (select convention from record_sets where id = r.record_set offset 0) s
        order by s.convention, r.batch_record`;
    },
    { readOnly: true },
  );
  return [...Map.groupBy(rows, ({ convention }) => convention).values()].map((group) =>
    group.map(({ batch_record }) => batch_record),
  );
}

async function read(
  database: Database,
  { batch: id, hook }: HeldComparison,
  ids: readonly string[],
): Promise<readonly ComparedRecord[]> {
  type Row = Omit<ComparedRecord, 'rows'> & { readonly rows: string };
  const { rows, files } = await database.transaction(
    async (tx) => {
      await useIndexLookups(tx);
      const rows = await tx<Row[]>`
        select p.batch_record as id, p.srn, p.source_id as "sourceId", p.metadata::text as metadata, o.status as before,
               coalesce((select json_agg(json_build_object('id', f.id, 'values', row_to_json(f)) order by f.ordinal)
                         from ${tx(`features.${hook}`)} f where f.outcome_id = o.id), '[]')::text as rows
        from (select against from comparisons where id = ${id} offset 0) c
        cross join unnest(${arrayText(ids)}::text::bigint[]) as w (id)
        cross join lateral (
          select batch_record, srn, source_id, metadata from published where batch_record = w.id offset 0) p
        cross join lateral (
          select o.id, o.status
          from (
            select id, status from outcomes o
            where o.batch_record = w.id and o.hook = ${hook} and o.status <> 'errored'
              and case when c.against is null then o.superseded_by is null
                  else (select version from runs where id = o.run) = c.against end
            offset 0) o
          order by o.id desc limit 1) o
        order by p.source_id`;
      return { rows, files: await filesOfRecords(tx, ids) };
    },
    { readOnly: true },
  );
  return rows.map(({ rows: text, ...record }) => ({
    ...record,
    files: files.get(record.id) ?? [],
    rows: (parseExactJson(text) as { id: number; values: Record<string, unknown> }[]).map((row) => ({
      name: `${hook}/${row.id}`,
      values: rowValues(row.values),
    })),
  }));
}

/** The rows as the feature table would give them back: by the types of its columns. */
async function asStored(sql: Sql, feature: FeatureContract, { columns, rowCount }: RowChunk) {
  if (feature.columns.length === 0) return Array.from({ length: rowCount }, () => ({}));
  // Column names have passed the contract's pattern, which leaves nothing to quote.
  const list = feature.columns
    .map(
      (column, index) =>
        `unnest($${index + 1}::text::${columnSqlType(column, feature)}[]) as "${column.name}"`,
    )
    .join(', ');
  const rows = await sql.unsafe<{ body: string }[]>(
    `select row_to_json(t)::text as body from (select ${list}) t`,
    [...columns],
    { prepare: true },
  );
  return rows.map(({ body }) => parseExactJson(body) as Record<string, unknown>);
}

async function finish(
  { sql }: Database,
  { batch: id, fence }: HeldComparison,
  end: Parameters<ComparisonQueue['finish']>[1],
): Promise<void> {
  const [status, report, problem] =
    'report' in end ? ['done', sql.json(end.report as never), null] : ['failed', null, end.problem];
  await sql`
    update comparisons
    set status = ${status}, report = ${report}::jsonb, problem = ${problem}, lease_until = null,
        finished_at = clock_timestamp()
    where id = ${id} and fence = ${fence} and status = 'running'`;
}
