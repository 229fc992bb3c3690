import type { Condition, Predicate } from '../../data/filter.ts';
import { parseRecordSrn } from '../../record/srn.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import type { Fragment } from './visible.ts';

/**
 * Parts of a filter that an index answers, so that not all rows are looked at. The rows that they leave are still
 * compared with the whole filter.
 */

/** The predicates that all rows of a filter keep. */
function required(condition: Condition | undefined): Predicate[] {
  if (condition?.kind === 'predicate') return [condition];
  return condition?.kind === 'and' ? condition.operands.flatMap(required) : [];
}

/** The values that a column is asked for, if it is asked for some. */
function valuesFor(condition: Condition | undefined, name: string): readonly string[] | undefined {
  const found = required(condition).find(
    ({ column, op }) => column.path === name && ['eq', 'in'].includes(op),
  );
  return found && [...new Set(found.values)];
}

interface RecordColumns {
  readonly convention: string;
  /** The columns of the table with the id that a source has, and with the SRN. */
  readonly sourceId: 'source_id' | 'record_source_id';
  readonly srn: 'srn' | 'record_srn';
}

/** The `record_id` of all records that a filter can match, where it names them. */
export function pinnedRecords(
  sql: Sql,
  condition: Condition | undefined,
  { convention, sourceId, srn }: RecordColumns,
): Fragment | undefined {
  const sources = valuesFor(condition, sourceId);
  if (sources) {
    return sql`
      select its.record_id from unnest(${arrayText(sources)}::text::text[]) as given (source_id)
      cross join lateral (
        select record_id from sources where convention = ${convention} and source_id = given.source_id offset 0) its`;
  }
  const srns = valuesFor(condition, srn);
  if (!srns) return undefined;
  const ids = srns.map((text) => parseRecordSrn(text)?.id ?? '').filter(isUuid);
  return sql`select distinct record_id from unnest(${arrayText(ids)}::text::uuid[]) as given (record_id)`;
}

const isUuid = (text: string) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(text);

/** The ids of all rows of a table that a filter can match, where it names them, their runs or their records. */
export function pinnedRows(
  sql: Sql,
  condition: Condition | undefined,
  { hook, convention }: { readonly hook: string; readonly convention: string },
): Fragment | undefined {
  const feature = sql(`features.${hook}`);
  const ids = valuesFor(condition, 'id');
  if (ids?.every((id) => /^\d{1,18}$/.test(id))) {
    return sql`select id from unnest(${arrayText(ids)}::text::bigint[]) as given (id)`;
  }
  const runs = valuesFor(condition, 'run_id');
  const records = pinnedRecords(sql, condition, {
    convention,
    sourceId: 'record_source_id',
    srn: 'record_srn',
  });
  const outcomes = runs
    ? sql`
      select o.id from unnest(${arrayText(runs)}::text::uuid[]) as given (run)
      cross join lateral (select id from outcomes where run = given.run offset 0) o`
    : records &&
      sql`
      select o.id from (${records}) pin
      cross join lateral (select batch_record from records where record_id = pin.record_id offset 0) r
      cross join lateral (select id from outcomes where batch_record = r.batch_record and hook = ${hook} offset 0) o`;
  if (!outcomes) return undefined;
  return sql`
    select f.id from (${outcomes}) o
    cross join lateral (select id from ${feature} where outcome_id = o.id offset 0) f`;
}

/** The earliest and the latest moment of publication that a filter of records admits. */
export function publishedWithin(condition: Condition | undefined): {
  readonly from: string | undefined;
  readonly to: string | undefined;
} {
  const bounds = required(condition).filter(({ column }) => column.path === 'created_at');
  const boundOf = (ops: readonly string[]) => bounds.find(({ op }) => ops.includes(op))?.values[0];
  return { from: boundOf(['gt', 'gte', 'eq']), to: boundOf(['lt', 'lte', 'eq']) };
}
