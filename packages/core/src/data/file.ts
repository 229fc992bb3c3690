import { OsaError } from '../error.ts';
import type { Store } from '../store.ts';
import { excerpt } from '../text.ts';
import type { TableFile } from './format/file.ts';
import { type FormatName, formatNames, formats } from './format/index.ts';
import { type DataQuery, type OpenTable, openRecords, openRows, portions, type RowQuery } from './read.ts';

/** Tables as files. */

/** @throws OsaError `not_found` (also for a format that there is not), `invalid` */
export async function recordsFile(
  store: Store,
  { schema, format }: { readonly schema: string; readonly format: string },
  query: DataQuery,
): Promise<TableFile> {
  const name = formatOf(format);
  return fileOf(store, name, await openRecords(store, schema, query));
}

/**
 * `feature` and `format` are the parts of a path around one of its points: `x.csv` and `gz` are the table `x` as `csv.gz`.
 *
 * @throws OsaError `not_found`, `invalid`
 */
export async function rowsFile(
  store: Store,
  { schema, feature, format }: { readonly schema: string; readonly feature: string; readonly format: string },
  query: RowQuery,
): Promise<TableFile> {
  const [hook = '', ...endings] = `${feature}.${format}`.split('.');
  const name = formatOf(endings.join('.'));
  return fileOf(store, name, await openRows(store, schema, hook, query));
}

function formatOf(ending: string): FormatName {
  const name = formatNames.find((known) => known === ending);
  if (name !== undefined) return name;
  throw new OsaError(
    'not_found',
    `no format is named ${excerpt(ending)}; there are ${formatNames.join(', ')}`,
    {
      field: 'format',
    },
  );
}

function fileOf(store: Store, format: FormatName, open: OpenTable): TableFile {
  const { mediaType, encode } = formats[format];
  const { of, table } = open.selection;
  return {
    mediaType,
    name: `${of.id}-${of.version}-${table.name}.${format}`,
    parts: portions(store, open),
    encode: (parts) => encode(open.columns, parts),
  };
}
