import type { TableColumn } from '@osa/core/data/table';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { suggest } from '@osa/core/suggest';
import type { Client } from '../../http/client.ts';
import { instant, instantText, integer, text } from '../../terminal/parse.ts';
import { readWhere, type Where } from './where.ts';

/** The options of `osa rows` and `osa records`, and the pages that answer them. */

const fileFormats = ['ndjson', 'csv', 'parquet', 'arrow'] as const;
export type FileFormat = (typeof fileFormats)[number];
export const tableFormats = ['table', 'json', ...fileFormats] as const;
export type OutputFormat = (typeof tableFormats)[number];

export const queryOptions = {
  where: {
    value: 'EXPRESSION',
    description: 'only rows that match, such as \'energy_j > 1e9 and source = "us"\'',
    parse: readWhere,
  },
  sort: {
    value: 'COLUMNS',
    description: 'by these, separated by commas; energy_j:desc for the largest first',
    parse: text(1_000),
  },
  columns: { value: 'COLUMNS', description: 'show these only, in this order', parse: names },
  asOf: { value: 'TIME', description: 'as it was at this time', parse: instant },
  format: {
    value: 'FORMAT',
    description: `${tableFormats.join(', ')} (default: what the name of --out says, else table)`,
    parse: formatNamed,
  },
  out: {
    value: 'FILE',
    description: 'write all rows to this file; the same command goes on where it was interrupted',
    parse: text(4_000),
  },
  limit: {
    short: 'n',
    value: 'N',
    description: `at most this many (default: ${bounds.defaultPageRows} in a table and JSON, which have ${bounds.pageRows} at most; else all)`,
    parse: integer(1, Number.MAX_SAFE_INTEGER),
  },
  cursor: {
    value: 'CURSOR',
    description: 'continue after this page; the command to copy is shown below each page',
    parse: text(bounds.dataCursor),
  },
} as const;

export const flagText = (flag: boolean) => (flag ? ('true' as const) : ('false' as const));

/** Options that the command for the next page repeats. */
export function pageOptions(options: {
  readonly where: Where | undefined;
  readonly sort: string | undefined;
  readonly columns: readonly string[] | undefined;
  readonly asOf: string | undefined;
  readonly limit: number | undefined;
}) {
  const { where, sort, columns, asOf, limit } = options;
  return { where: where?.text, sort, columns: columns?.join(','), asOf: asOf && instantText(asOf), limit };
}

function names(given: string): readonly string[] {
  return given.split(',').map((name) => name.trim());
}

function formatNamed(given: string): OutputFormat {
  const format = tableFormats.find((known) => known === given);
  if (format !== undefined) return format;
  throw new OsaError('usage', `It must be one of ${tableFormats.join(', ')}.`);
}

/**
 * The format by `--format`, or by the file's name.
 *
 * @throws OsaError `usage` for a file of another name, and a table into a file
 */
export function chosenFormat(format: OutputFormat | undefined, out: string | undefined): OutputFormat {
  if (out === undefined) return format ?? 'table';
  const named = tableFormats.find((known) => out.endsWith(`.${known}`));
  const chosen = format ?? named;
  if (fileFormats.some((known) => known === chosen)) return chosen as FileFormat;
  throw new OsaError(
    'usage',
    `--out ${out}: name a file that ends in .csv, .ndjson, .parquet or .arrow, or say which by --format`,
    { field: '--format' },
  );
}

export interface DataPage {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly next_cursor: string | null;
  readonly as_of: string;
}

/** Reads the page behind a cursor, as of a moment. */
export type ReadPage = (page: {
  readonly cursor: string | undefined;
  readonly limit: number;
}) => Promise<DataPage>;

/** The columns that were asked for. @throws OsaError `usage` for one that is not there */
export function chosenColumns(
  columns: readonly TableColumn[],
  wanted: readonly string[] | undefined,
): readonly TableColumn[] {
  if (wanted === undefined) return columns;
  const known = columns.map(({ name }) => name);
  return wanted.map((name, index) => {
    const column = columns.find((each) => each.name === name);
    if (column && wanted.indexOf(name) === index) return column;
    const near = suggest(name, known);
    const hint = near === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${near}?`;
    const problem = column ? `${name} is there twice` : `there is no column ${JSON.stringify(name)}${hint}`;
    throw new OsaError('usage', `--columns: ${problem}`, { field: '--columns' });
  });
}

/** The columns of a convention's records, and the other versions of the schema that it has used. */
export async function describedRecords(
  client: Client,
  { schema, convention }: { readonly schema: string; readonly convention: string },
): Promise<{ readonly columns: readonly TableColumn[]; readonly others: readonly string[] }> {
  const { id, table_resources, other_versions } = await client.call('describeData', {
    params: { schema },
    query: { convention },
  });
  const records = table_resources.find(({ name }) => name === 'records');
  const columns = (records?.columns ?? []) as unknown as readonly TableColumn[];
  return { columns, others: other_versions.map((version) => `${id}@${version}`) };
}
