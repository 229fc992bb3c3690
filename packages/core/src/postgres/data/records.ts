import type { Place, Selection } from '../../data/dataset.ts';
import type { TableColumn, TableRow } from '../../data/table.ts';
import { parseExactJson } from '../../json/exact.ts';
import { type FieldDefinition, localTimes } from '../../record/schema.ts';
import { parseRecordSrn } from '../../record/srn.ts';
import type { Sql } from '../connection/connect.ts';
import { recalledJson } from '../trace/recall/recalled.ts';
import { conditionSql } from './condition.ts';
import { pinnedRecords, publishedWithin } from './pins.ts';
import type { Body } from './portion.ts';
import { type Fragment, isNewest, isOfSchema, published } from './visible.ts';
import type { Source } from './walk.ts';

/** Published records as a table. */

export function recordSource(sql: Sql, selection: Selection): Source {
  const { asOf, history, condition, order, of } = selection;
  const columns = (column: TableColumn) => recordColumn(sql, column);
  const visible = history ? sql`true` : isNewest(sql, asOf);
  const fits = condition ? sql`(${conditionSql(sql, condition, columns)})` : sql`true`;
  const direction = order.descending ? sql`desc` : sql`asc`;
  const opposite = order.descending ? sql`asc` : sql`desc`;
  const stored = sql`r.published_at ${direction}, r.record_id ${direction}, r.version ${direction}`;
  const backwards = sql`r.published_at ${opposite}, r.record_id ${opposite}, r.version ${opposite}`;
  const placed = sql`r.batch_record::text as id, array[r.published_at::text, r.record_id::text, r.version::text] as k`;
  const behind = ({ k: [time = '', id = '', version = ''] }: Place) => sql`
    (r.published_at, r.record_id, r.version) ${order.descending ? sql`<` : sql`>`}
    (${time}::text::timestamptz, ${id}::text::uuid, ${version}::text::integer)`;
  const pinned = pinnedRecords(sql, condition, {
    convention: of.convention,
    sourceId: 'source_id',
    srn: 'srn',
  });
  const wasThere = sql`r.published_at <= ${asOf}::text::timestamptz`;
  const { from, to } = publishedWithin(condition);
  const earliest = from === undefined ? sql`true` : sql`r.published_at >= ${from}::text::timestamptz`;
  const latest = to === undefined ? sql`true` : sql`r.published_at <= ${to}::text::timestamptz`;
  // Two bounds at the same end of the index would not both be used: newest first, a place is as early as the moment itself.
  const start = (after: Place | undefined) => {
    if (!after) return sql`${wasThere} and ${earliest} and ${latest}`;
    return order.descending
      ? sql`${earliest} and ${behind(after)}`
      : sql`${wasThere} and ${latest} and ${behind(after)}`;
  };
  return {
    key: { column: sql`r.batch_record`, type: 'bigint' },
    columns,
    isPinned: pinned !== undefined,
    scanned: (after, window) => sql`
      select r.* from ${recordsOf(sql, selection, { pinned, where: start(after), most: sql`order by ${stored} limit ${window}` })}
      order by ${stored} limit ${window}`,
    found: (most) => sql`
      select ${placed} from scanned r ${condition ? published(sql) : sql``}
      where ${visible} and ${fits} order by ${stored} limit ${most}`,
    last: () => sql`select ${placed} from scanned r order by ${backwards} limit 1`,
    // Casts fit the values of this schema only, so nothing else may come to them.
    matching: () => sql`(
        select r.* from ${recordsOf(sql, selection, { pinned, where: sql`${wasThere} and ${earliest} and ${latest} and ${visible}`, most: sql`offset 0` })}
        offset 0) r
      ${published(sql)} where ${fits}`,
  };
}

/**
 * Records `r` of the schema: those of each of its sets, of which there is one for each domain that the archive has had, or those
 * that a filter names.
 */
function recordsOf(
  sql: Sql,
  selection: Selection,
  {
    pinned,
    where,
    most,
  }: { readonly pinned: Fragment | undefined; readonly where: Fragment; readonly most: Fragment },
): Fragment {
  const isOf = isOfSchema(sql, selection, sql`s`);
  if (!pinned) {
    return sql`record_sets s
      cross join lateral (select * from records r where r.record_set = s.id and ${where} ${most}) r
      where ${isOf}`;
  }
  return sql`(${pinned}) pin
    cross join lateral (select * from records r where r.record_id = pin.record_id and ${where} ${most}) r
    cross join lateral (
      select convention, schema_id, schema_version from record_sets where id = r.record_set offset 0) s
    where ${isOf}`;
}

function recordColumn(sql: Sql, { name, path, kind }: TableColumn): Fragment {
  if (!path.startsWith('metadata.')) return headColumn(sql, name);
  const text = sql`(p.metadata ->> ${name}::text)`;
  switch (kind) {
    case 'decimal':
      return sql`${text}::numeric`;
    case 'moment':
      return sql`${text}::timestamptz`;
    case 'boolean':
      return sql`${text}::boolean`;
    case 'list':
    case 'json':
      return sql`(p.metadata -> ${name}::text)`;
    default:
      return text;
  }
}

function headColumn(sql: Sql, name: string): Fragment {
  if (name === 'created_at') return sql`r.published_at`;
  return name === 'version' ? sql`r.version` : sql`p.${sql(name)}`;
}

/** The values of records by their keys, in the order of `keys`. */
export function recordBodies(sql: Sql, selection: Selection, keys: string): Fragment {
  return sql`
    select k.n, r.srn, r.version, r.published_at as created_at, r.source_id,
           ${isNewest(sql, selection.asOf)} as current, r.metadata::text as body,
           ${recalledJson(sql, { record: sql`r.batch_record` })} as recalled
    from unnest(${keys}::text::bigint[]) with ordinality as k (id, n)
    cross join lateral (select * from published where batch_record = k.id offset 0) r`;
}

export interface RecordBody extends Body {
  readonly srn: string;
  readonly version: number;
  readonly created_at: string;
  readonly source_id: string;
  readonly current: boolean;
  readonly recalled: readonly object[];
}

interface Stored {
  readonly fields: readonly FieldDefinition[];
  readonly openText: boolean;
}

/** A record with every field in the declared order, null where it is absent, and which times say no offset, if any. */
export function recordRow(
  { of, history, table }: Selection,
  { fields, openText }: Stored,
  { srn, version, created_at, source_id, current, recalled, body }: RecordBody,
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
    ...((recalled.length > 0 || table.columns.some(({ name }) => name === '_recalled')) && {
      _recalled: recalled,
    }),
  };
  const values = fields.map(({ name }) => [name, Object.hasOwn(metadata, name) ? metadata[name] : null]);
  const local = openText ? localTimes(fields, metadata) : [];
  return { ...head, ...Object.fromEntries(values), ...(local.length > 0 && { local_times: local }) };
}
