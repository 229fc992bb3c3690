import type { Answer } from '../../api/index.ts';
import type { Sql } from '../connection/connect.ts';
import { recalledJson } from './recall/recalled.ts';

type Notices = Answer<'traceRow'>['row']['recalled'];

/** The recalls of a row, and of what it came from. */
export interface RowNotices {
  readonly row: Notices;
  readonly record: Notices;
  readonly run: Notices;
  readonly release: Notices;
}

export const noNotices: RowNotices = { row: [], record: [], run: [], release: [] };

/** Notices of a row `f` of the record `r`; null where there are no recalls at all, which costs one look. */
export function noticesOfRow(sql: Sql) {
  const release = { hook: sql`run.hook`, version: sql`run.version` };
  const run = { ...release, run: sql`run.id` };
  const record = { record: sql`r.batch_record` };
  return sql`(case when exists (select from recalls) then (
    select jsonb_build_object(
      'row', ${recalledJson(sql, { ...run, ...record })}, 'record', ${recalledJson(sql, record)},
      'run', ${recalledJson(sql, run)}, 'release', ${recalledJson(sql, release)})
    from (select id, hook, version from runs where id = f.run_id offset 0) run) end)`;
}
