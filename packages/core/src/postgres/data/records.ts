import type { Place, Selection } from '../../data/dataset.ts';
import type { TableColumn, TableRow } from '../../data/table.ts';
import { parseExactJson } from '../../json/exact.ts';
import { type FieldDefinition, localTimes } from '../../record/schema.ts';
import { parseRecordSrn } from '../../record/srn.ts';
import type { Sql } from '../connection/connect.ts';
import { conditionSql } from './condition.ts';
import type { Body } from './portion.ts';
import { type Fragment, isNewest, isOfSchema, metadataOf } from './visible.ts';
import type { Source } from './walk.ts';

/** Published records as a table. */

export function recordSource(sql: Sql, selection: Selection): Source {
  const { asOf, history, condition, order } = selection;
  const columns = (column: TableColumn) => recordColumn(sql, column);
  const visible = history ? sql`true` : isNewest(sql, asOf);
  const fits = condition ? sql`(${conditionSql(sql, condition, columns)})` : sql`true`;
  const direction = order.descending ? sql`desc` : sql`asc`;
  const opposite = order.descending ? sql`asc` : sql`desc`;
  const placed = sql`r.srn as id, array[r.published_at::text] as k`;
  const behind = (after: Place | undefined) => {
    if (!after) return sql`true`;
    const sign = order.descending ? sql`<` : sql`>`;
    return sql`(r.published_at, r.srn) ${sign} (${after.k[0] ?? ''}::text::timestamptz, ${after.id}::text)`;
  };
  return {
    key: { column: sql`r.srn`, type: 'text' },
    columns,
    scanned: (after, window) => sql`
      select r.srn, r.published_at, r.convention, r.source_id, r.version, r.batch_record from records r
      where ${isOfSchema(sql, selection)} and r.published_at <= ${asOf}::text::timestamptz and ${behind(after)}
      order by r.published_at ${direction}, r.srn ${direction} limit ${window}`,
    found: (most) => sql`
      select ${placed} from scanned r${needsMetadata(sql, condition)}
      where ${visible} and ${fits}
      order by r.published_at ${direction}, r.srn ${direction} limit ${most}`,
    last: () => sql`
      select ${placed} from scanned r order by r.published_at ${opposite}, r.srn ${opposite} limit 1`,
    // Casts fit the values of this schema only, so nothing else may come to them.
    matching: () => sql`(
        select r.srn, r.published_at, r.convention, r.source_id, r.version, r.batch_record from records r
        where ${isOfSchema(sql, selection)} and r.published_at <= ${asOf}::text::timestamptz and ${visible} offset 0
      ) r cross join lateral (select ${metadataOf(sql)} as metadata offset 0) m
      where ${fits}`,
  };
}

function needsMetadata(sql: Sql, condition: Selection['condition']): Fragment {
  return condition ? sql` cross join lateral (select ${metadataOf(sql)} as metadata offset 0) m` : sql``;
}

function recordColumn(sql: Sql, { name, path, kind }: TableColumn): Fragment {
  if (!path.startsWith('metadata.')) return name === 'created_at' ? sql`r.published_at` : sql`r.${sql(name)}`;
  const text = sql`(m.metadata ->> ${name}::text)`;
  switch (kind) {
    case 'decimal':
      return sql`${text}::numeric`;
    case 'moment':
      return sql`${text}::timestamptz`;
    case 'boolean':
      return sql`${text}::boolean`;
    case 'list':
    case 'json':
      return sql`(m.metadata -> ${name}::text)`;
    default:
      return text;
  }
}

/** The values of records by their names, in the order of `ids`. */
export function recordBodies(sql: Sql, selection: Selection, ids: string): Fragment {
  return sql`
    select k.n, r.srn, r.version, r.published_at as created_at, r.source_id,
           ${isNewest(sql, selection.asOf)} as current, ${metadataOf(sql)}::text as body
    from unnest(${ids}::text::text[]) with ordinality as k (id, n)
    cross join lateral (
      select srn, version, published_at, source_id, convention, batch_record from records where srn = k.id offset 0) r`;
}

export interface RecordBody extends Body {
  readonly srn: string;
  readonly version: number;
  readonly created_at: string;
  readonly source_id: string;
  readonly current: boolean;
}

interface Stored {
  readonly fields: readonly FieldDefinition[];
  readonly openText: boolean;
}

/** A record with every field in the declared order, null where it is absent, and which times say no offset, if any. */
export function recordRow(
  { of, history }: Selection,
  { fields, openText }: Stored,
  { srn, version, created_at, source_id, current, body }: RecordBody,
): TableRow {
  const metadata = parseExactJson(body) as Readonly<Record<string, unknown>>;
  // Fields of the metadata have other names than these: both are on the same list.
  const head = {
    id: parseRecordSrn(srn)?.id ?? srn,
    srn,
    schema_id: `${of.id}@${of.version}`,
    version,
    created_at,
    convention_id: of.convention,
    source_id,
    ...(history && { _current: current }),
  };
  const values = fields.map(({ name }) => [name, Object.hasOwn(metadata, name) ? metadata[name] : null]);
  const local = openText ? localTimes(fields, metadata) : [];
  return { ...head, ...Object.fromEntries(values), ...(local.length > 0 && { local_times: local }) };
}
