import { type Column, columnKind, type FeatureContract } from '../hook/hook.ts';
import { type FieldDefinition, isOpenField } from '../record/schema.ts';

/**
 * The kinds of values that columns have, for filters, orders and formats. `decimal` is a JSON number of any length,
 * `double` and `integer` are those of feature tables; `moment` is a date or a time as it was written, `time` and `date`
 * are the database's; `list` and `json` are JSON.
 */
export const columnKinds = [
  ...(['text', 'decimal', 'double', 'integer', 'boolean', 'moment'] as const),
  ...(['time', 'date', 'uuid', 'list', 'json'] as const),
] as const;
export type ColumnKind = (typeof columnKinds)[number];

export interface TableColumn {
  /** The column's name in a row. */
  readonly name: string;
  /** The column's name in a filter: `metadata.mass`, `features.density.value`, `source_id`. */
  readonly path: string;
  readonly kind: ColumnKind;
  /** The kind of a list's elements. */
  readonly element?: ColumnKind;
  /** Whether people may filter and sort by it. */
  readonly isSearchable: boolean;
  /** The type as the declaration says it. */
  readonly type: string;
  readonly format?: string | undefined;
  readonly description?: string | undefined;
  readonly unit?: string | undefined;
}

/** A table that is read: the records of a schema, or the rows of a hook over them. */
export interface Table {
  readonly kind: 'records' | 'feature';
  /** `records`, or the hook's name. */
  readonly name: string;
  readonly columns: readonly TableColumn[];
}

/** A row as it is sent. Numbers that no double keeps are raw JSON. */
export type TableRow = Readonly<Record<string, unknown>>;

export function recordTable(
  { fields, openText }: { readonly fields: readonly FieldDefinition[]; readonly openText: boolean },
  { history, provenance: withProvenance }: RowParts,
): Table {
  const columns = [
    ...recordHead,
    ...(history ? [current] : []),
    ...(withProvenance ? [recalled] : []),
    ...fields.map((field) => fieldColumn(field, openText)),
  ];
  return { kind: 'records', name: 'records', columns };
}

export interface RowParts {
  readonly history: boolean;
  /** With the recalls, and of rows with digest, source and staleness of the release. */
  readonly provenance: boolean;
}

export function rowTable(
  hook: string,
  contract: Pick<FeatureContract, 'columns' | 'open_text'>,
  { history, provenance: withProvenance }: RowParts,
): Table {
  const columns = [
    ...rowHead,
    ...(history ? [current] : []),
    ...(withProvenance ? provenance : []),
    ...contract.columns.map((column) => contractColumn(hook, column, contract.open_text === true)),
  ];
  return { kind: 'feature', name: hook, columns };
}

const head = (name: string, kind: ColumnKind, type: string, isSearchable = true): TableColumn => ({
  name,
  path: name,
  kind,
  type,
  isSearchable,
});

const recordHead: readonly TableColumn[] = [
  head('id', 'text', 'text', false),
  head('srn', 'text', 'text'),
  head('schema_id', 'text', 'text', false),
  head('version', 'integer', 'number'),
  head('created_at', 'time', 'date-time'),
  head('convention_id', 'text', 'text', false),
  head('source_id', 'text', 'text'),
];

const rowHead: readonly TableColumn[] = [
  head('id', 'integer', 'integer'),
  head('record_srn', 'text', 'string'),
  head('run_id', 'uuid', 'string'),
  head('release', 'integer', 'integer'),
  head('created_at', 'time', 'date-time'),
  head('record_source_id', 'text', 'string'),
];

/** Their names begin with `_`, so that no field and no column can have them. */
const current = head('_current', 'boolean', 'boolean', false);
const recalled = head('_recalled', 'json', 'array', false);
const provenance: readonly TableColumn[] = [
  head('_digest', 'text', 'string', false),
  head('_source_ref', 'text', 'string', false),
  head('_stale', 'boolean', 'boolean', false),
  recalled,
];

function fieldColumn(field: FieldDefinition, openText: boolean): TableColumn {
  const { name, type, cardinality, description, constraints } = field;
  const kind = openText && isOpenField(field) ? 'json' : fieldKinds[type];
  const isList = cardinality !== 'exactly_one';
  const unit = constraints && 'unit' in constraints ? constraints.unit : undefined;
  return {
    name,
    path: `metadata.${name}`,
    kind: isList ? 'list' : kind,
    ...(isList && { element: kind }),
    isSearchable: true,
    type,
    ...(isList && { format: 'list' }),
    description: description ?? undefined,
    unit: unit ?? undefined,
  };
}

const fieldKinds = {
  text: 'text',
  url: 'text',
  number: 'decimal',
  boolean: 'boolean',
  date: 'moment',
} as const;

function contractColumn(hook: string, column: Column, openText: boolean): TableColumn {
  const { name, json_type, format, description, unit } = column;
  return {
    name,
    path: `features.${hook}.${name}`,
    kind: columnKind(column, { open_text: openText }),
    isSearchable: true,
    type: json_type,
    format: format ?? undefined,
    description: description ?? undefined,
    unit: unit ?? undefined,
  };
}
