import type { Finds } from '../../trace/tracer.ts';
import type { Sql } from '../connection/connect.ts';
import { isShown } from '../deposition/private.ts';
import { utc } from '../wire.ts';
import { failedRecords, recordVersions } from './unpublished.ts';

type Found = Awaited<ReturnType<Finds['sources']>>[number];

/** The things that a text may name. Each look-up reads as many entries as it answers, or one for each convention. */
export function finds(sql: Sql): Finds {
  return {
    failed: failedRecords(sql),
    record: recordVersions(sql),
    sources: (sourceId, convention, most) => sql<Found[]>`
      select 'source' as kind, c.slug || ':' || ${sourceId} as name, c.slug as of, ${utc(sql, sql`r.published_at`)} as at
      from (select slug from conventions where ${convention ?? null}::text is null or slug = ${convention ?? null}) c
      cross join lateral (
        select record_id from sources where convention = c.slug and source_id = ${sourceId} offset 0) s
      cross join lateral (
        select published_at from records where record_id = s.record_id order by version desc limit 1) r
      order by c.slug limit ${most}`,
    async ids({ first, last }, kind, most) {
      const columns = {
        run: sql`select 'run' as kind, id::text as name, hook as of, ${utc(sql, sql`created_at`)} as at from runs`,
        deploy: sql`select 'deploy' as kind, id::text as name, slug as of, ${utc(sql, sql`at`)} as at from deploys`,
      };
      const shown = kind === 'run' ? isShown(sql, sql`runs.batch`) : sql`true`;
      return sql<Found[]>`
        ${columns[kind]} where id between ${first} and ${last} and ${shown} order by id desc limit ${most}`;
    },
  };
}
