import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import type { Store } from '../store.ts';
import { excerpt } from '../text.ts';
import type { Count } from './dataset.ts';
import { operatorsOf } from './filter.ts';
import { formatNames } from './format/index.ts';
import { findSchema } from './read.ts';
import { recordTable, rowTable, type Table } from './table.ts';

/** The tables that can be read. */

type Description = Answer<'describeData'>;

/** The endings of a table's path, the empty one for JSON in pages. */
const pathEndings: readonly string[] = ['', ...formatNames];

/** @throws OsaError `not_found` */
export async function describeData(
  store: Store,
  schema: string,
  { convention: asked }: { readonly convention?: string | undefined },
): Promise<Description> {
  const { of, others } = await findSchema(store, schema, asked);
  const [stored, counts] = [await store.dataset.schema(of), await store.dataset.counts(of)];
  const convention = await store.registry.convention(of.convention);
  const parts = { history: false, provenance: false };
  return {
    id: of.id,
    version: of.version,
    other_versions: [...others],
    srn: `urn:osa:${store.dataset.domain}:schema:${of.id}@${of.version}`,
    title: stored.title,
    convention_id: of.convention,
    license: convention?.license ?? null,
    fields: stored.fields.map(({ constraints, description, examples, ...field }) => {
      const unit = constraints && 'unit' in constraints ? constraints.unit : undefined;
      return { ...field, ...said({ description, unit }), ...(examples && { examples }) };
    }),
    table_resources: [
      describeTable(recordTable(stored, parts), counts.records),
      ...counts.features.map(({ hook, contract, ...count }) =>
        describeTable(rowTable(hook, contract, parts), count),
      ),
    ],
  };
}

function describeTable(
  { name, kind, columns }: Table,
  { rows, isExact }: Count,
): Description['table_resources'][number] {
  return {
    name,
    kind,
    columns: columns.map((column) => ({
      name: column.name,
      type: column.type,
      kind: column.kind,
      ...(column.format !== undefined && { format: column.format }),
      ...said(column),
      ...(column.isSearchable && { field: column.path, operators: [...operatorsOf[column.kind]] }),
    })),
    row_count: rows,
    row_count_exact: isExact,
    formats: [...pathEndings],
  };
}

function said({
  description,
  unit,
}: {
  readonly description?: string | null | undefined;
  readonly unit?: string | null | undefined;
}) {
  return { ...(description && { description }), ...(unit && { unit }) };
}

/** The same in Markdown. */
export function descriptionText(description: Description): string {
  const { title, srn, convention_id: convention, license, fields, table_resources: tables } = description;
  const schema = `${description.id}@${description.version}`;
  const sections = tables.map(({ name, columns, row_count, row_count_exact, formats }) => [
    `## ${name}`,
    '',
    `${row_count_exact ? '' : 'At least '}${row_count} rows. \`GET /api/v1/data/${schema}/${name}\`${formats
      .filter((ending) => ending !== '')
      .map((ending) => `, \`.${ending}\``)
      .join('')}`,
    '',
    ...tableLines(
      ['column', 'type', 'unit', 'description'],
      columns.map((column) => [column.name, typeText(column), column.unit ?? '', column.description ?? '']),
    ),
  ]);
  return [
    `# ${escaped(title)}`,
    '',
    `Schema \`${schema}\` (\`${srn}\`) of the convention \`${convention}\`.`,
    ...(license === null ? [] : ['', `Licence: ${escaped(license)}`]),
    '',
    ...tableLines(
      ['field', 'type', 'required', 'unit', 'description'],
      fields.map((field) => [
        field.name,
        field.type,
        field.required ? 'yes' : 'no',
        field.unit ?? '',
        field.description ?? '',
      ]),
    ),
    ...sections.flatMap((lines) => ['', ...lines]),
    '',
  ].join('\n');
}

const typeText = ({ type, format }: { readonly type: string; readonly format?: string | undefined }) =>
  format === undefined ? type : `${type} (${format})`;

function tableLines(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  return [line(heads), `| ${heads.map(() => '---').join(' | ')} |`, ...rows.map(line)];
}

/** Somebody else's text stays text, and in its cell. */
function escaped(text: string): string {
  return text.replaceAll(/[\\`*_[\]<>|#&]/g, '\\$&').replaceAll(/\s+/g, ' ');
}

/**
 * A record by `id` or `id@version`.
 *
 * @throws OsaError `not_found`, `invalid` for a version that is not a number
 */
export async function readRecord(store: Store, name: string): Promise<Answer<'readRecord'>> {
  const [, id = '', text] = /^([^@]*)(?:@(.*))?$/s.exec(name) ?? [];
  if (text !== undefined && !/^[1-9]\d{0,8}$/.test(text)) {
    throw new OsaError('invalid', `id: ${excerpt(text)} is not a version, which is a number from 1`, {
      field: 'id',
    });
  }
  const version = text === undefined ? undefined : Number(text);
  const isId = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id);
  const found = isId ? await store.dataset.record(id.toLowerCase(), version) : undefined;
  if (found) return found;
  const shown = excerpt(name);
  throw new OsaError(
    'not_found',
    `no record is named ${shown}; an id is the part of an SRN behind \`rec:\``,
    {
      field: 'id',
    },
  );
}
