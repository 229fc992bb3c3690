import { z } from 'zod';
import { OsaError } from '../error.ts';
import { bounds } from '../limits.ts';
import { refuseTwins } from '../unique-names.ts';

/**
 * A hook is a named function with a fixed feature contract: the columns of its rows and how many rows a record
 * may have. The contract never changes; order and documentation are not part of it, units are.
 */

/** Names that are path segments of the API. */
export const reservedNames = ['records', 'datasets', 'runs', 'live', 'releases', 'history', 'plan'] as const;

/** Column names taken by the feature table and its view, and by PostgreSQL. */
export const reservedColumns = [
  ...['id', 'outcome_id', 'run_id', 'ordinal', 'record_srn', 'record_source_id', 'release', 'created_at'],
  ...['oid', 'xmin', 'xmax', 'cmin', 'cmax', 'ctid', 'tableoid'],
] as const;

/** Field names taken by what a reading of records puts beside the metadata. */
export const reservedFields = [
  ...['id', 'srn', 'schema_id', 'version', 'created_at', 'convention_id', 'source_id', 'local_times'],
] as const;

export const jsonTypes = ['string', 'number', 'integer', 'boolean', 'array', 'object'] as const;
export const stringFormats = ['date-time', 'date', 'uuid'] as const;

const namePattern = /^[a-z][a-z0-9_]*$/;
/** Matches all but the names of `list`. A pattern, so that JSON Schema and OpenAPI have the rule, too. */
export const noneOf = (list: readonly string[]) => new RegExp(`^(?!(?:${list.join('|')})$)`);

/** Characters of a hook's name. */
export const longestHookName = 40;

export const HookName = z
  .string()
  .regex(namePattern, 'must start with a-z and hold only a-z, 0-9 and _')
  .max(longestHookName, `must have at most ${longestHookName} characters`)
  .refine((name) => !name.startsWith('pg_') && name !== 'information_schema', 'must not start with pg_')
  .regex(noneOf(reservedNames), `is reserved (${reservedNames.join(', ')})`)
  .refine(
    (name) => !deviceName.test(name),
    'must not be the name of a device under Windows (con, nul, com1 …)',
  );

/** A directory of code is named after its hook, and some machine on which it is checked out cannot have these. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)$/;

export const ColumnName = z
  .string()
  .regex(namePattern, 'must start with a-z and hold only a-z, 0-9 and _')
  .max(63, 'must have at most 63 characters')
  .regex(noneOf(reservedColumns), `is reserved (${reservedColumns.join(', ')})`);

export const Column = z
  .object({
    name: ColumnName,
    json_type: z.enum(jsonTypes),
    format: z.enum(stringFormats).nullish(),
    required: z.boolean(),
    description: z.string().max(10_000).nullish(),
    unit: z.string().max(100).nullish(),
  })
  .refine((column) => !column.format || column.json_type === 'string', {
    path: ['format'],
    error: 'needs json_type "string"',
  });

export const FeatureContract = z.object({
  kind: z.literal('table').default('table'),
  cardinality: z.enum(['one', 'many']),
  columns: z.array(Column).max(bounds.columns).superRefine(refuseTwins),
  /** Whether string columns without a format take any JSON value: `convention/open-text.ts` says when. */
  open_text: z.boolean().nullish(),
});

export type Column = z.infer<typeof Column>;
export type FeatureContract = z.infer<typeof FeatureContract>;

/** Whether a column takes any JSON value where its contract has `open_text`. */
export function isOpenColumn({ json_type, format }: Pick<Column, 'json_type' | 'format'>): boolean {
  return json_type === 'string' && !format;
}

/** One difference between two contracts, such as `columns.energy_j.unit: "J" → "kJ"`. */
export interface Difference {
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** The differences that make `next` another contract than `stored`; empty when they are the same. */
export function contractDifferences(stored: FeatureContract, next: FeatureContract): Difference[] {
  const differences: Difference[] = [];
  if (stored.cardinality !== next.cardinality) {
    differences.push({ path: 'cardinality', from: stored.cardinality, to: next.cardinality });
  }
  const before = new Map(stored.columns.map((column) => [column.name, column]));
  const after = new Map(next.columns.map((column) => [column.name, column]));
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    differences.push(...columnDifferences(name, before.get(name), after.get(name)));
  }
  return differences;
}

function columnDifferences(name: string, from: Column | undefined, to: Column | undefined): Difference[] {
  const path = `columns.${name}`;
  if (!from || !to) return [{ path, from: from?.json_type ?? null, to: to?.json_type ?? null }];
  return (['json_type', 'format', 'required', 'unit'] as const)
    .map((key) => ({ path: `${path}.${key}`, from: from[key] ?? null, to: to[key] ?? null }))
    .filter((difference) => difference.from !== difference.to);
}

/** `field` is where the name was given. */
export function unknownHook(name: string, field = 'name'): OsaError {
  return new OsaError(
    'not_found',
    `no hook is named ${name}; \`osa hooks list\` shows those that there are`,
    {
      field,
    },
  );
}

export function unknownRelease(
  { name, release_count: count }: { readonly name: string; readonly release_count: number },
  version: number,
  field = 'version',
): OsaError {
  const has = count === 0 ? 'it has none' : count === 1 ? 'its only one is 1' : `it has 1 to ${count}`;
  return new OsaError('not_found', `${field}: hook ${name} has no release ${version}; ${has}`, {
    field,
    details: { hook: name, releases: count },
  });
}

/** A rollback only goes back. */
export function newerThanLive(name: string, version: number, live: number): OsaError {
  return new OsaError(
    'conflict',
    `to: version ${version} of ${name} is newer than the live version ${live}; ` +
      `a rollback only goes back, \`osa hooks activate ${name} ${version}\` goes either way`,
    { field: 'to', details: { live_version: live } },
  );
}

/** The kinds of values of a column. */
export type FeatureKind = 'double' | 'integer' | 'boolean' | 'json' | 'text' | 'time' | 'date' | 'uuid';

/** The kind of a column; with `open_text`, text without a rule takes any JSON value. */
export function columnKind(
  { json_type, format }: Pick<Column, 'json_type' | 'format'>,
  { open_text }: Pick<FeatureContract, 'open_text'> = {},
): FeatureKind {
  if (open_text && isOpenColumn({ json_type, format })) return 'json';
  switch (json_type) {
    case 'number':
      return 'double';
    case 'integer':
      return 'integer';
    case 'boolean':
      return 'boolean';
    case 'array':
    case 'object':
      return 'json';
    case 'string':
      return format ? formatKinds[format] : 'text';
  }
}

const formatKinds = { 'date-time': 'time', date: 'date', uuid: 'uuid' } as const;
