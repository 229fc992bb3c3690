import type { Answer } from '../api/index.ts';
import type { Database } from './connection/connect.ts';
import { useIndexLookups } from './queue/plans.ts';

/** Outcomes that are looked at for one schema version and release, and how many such pairs are. */
const mostRecords = 10_000;
const mostPairs = 20;

/**
 * How many rows of a hook are current, by schema version and release: of the newest version of their record, and not
 * superseded. Undefined without such a hook.
 */
export async function currentRows(
  database: Database,
  hook: string,
): Promise<Answer<'currentRows'> | undefined> {
  return database.transaction(
    async (tx) => {
      await useIndexLookups(tx);
      const [known] = await tx`select from hooks where name = ${hook}`;
      if (!known) return undefined;
      const items = await tx<Answer<'currentRows'>['items']>`
        with pairs as materialized (
          select i.schema_id, i.schema_version, r.version
          from (select batch, version from runs where hook = ${hook} and row_count > 0 offset 0) r
          cross join lateral (select ingestion from batches where id = r.batch offset 0) b
          cross join lateral (select schema_id, schema_version from ingestions where id = b.ingestion offset 0) i
          group by 1, 2, 3 order by version desc, schema_version desc limit ${mostPairs}
        )
        select jsonb_build_object('id', p.schema_id, 'version', p.schema_version) as schema_id, p.version,
               coalesce(c.rows, 0)::float8 as rows, c.records > ${mostRecords} as has_more
        from pairs p
        cross join lateral (
          select sum(row_count) filter (where n <= ${mostRecords} and current) as rows, count(*) as records
          from (
            select o.row_count, row_number() over () as n,
                   o.superseded_by is null and not exists (
                     select from records rec
                     join records newer on newer.record_id = rec.record_id and newer.version > rec.version
                     where rec.batch_record = o.batch_record) as current
            from (select id, batch from runs
                  where hook = ${hook} and version = p.version and row_count > 0 offset 0) run
            cross join lateral (select ingestion from batches where id = run.batch offset 0) b
            cross join lateral (
              select id from ingestions
              where id = b.ingestion and schema_id = p.schema_id and schema_version = p.schema_version offset 0) i
            cross join lateral (
              select batch_record, row_count, superseded_by from outcomes
              where run = run.id and row_count > 0 offset 0) o
            where exists (select from batch_records where id = o.batch_record and status = 'published')
            limit ${mostRecords + 1}) counted) c
        where c.rows > 0 or c.records > ${mostRecords}
        order by p.version desc, p.schema_version desc`;
      return { hook_name: hook, items: [...items] };
    },
    { readOnly: true },
  );
}
