import { resolve } from 'node:path';
import { csvLine, csvRows } from '@osa/core/data/format/csv';
import { ndjsonRows } from '@osa/core/data/format/ndjson';
import type { TableColumn, TableRow } from '@osa/core/data/table';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { Context } from '../../command.ts';
import { bytes, count, counted } from '../../terminal/format.ts';
import type { Line } from '../../terminal/paint.ts';
import { outPlace } from '../out-place.ts';
import { download } from './download.ts';
import { chosenFormat, type DataPage, type FileFormat, type OutputFormat, type ReadPage } from './query.ts';
import { noticeLines, noticesOf } from './recalled.ts';

/** Rows into a file, or to stdout as text that programs read. */

export interface Shown {
  readonly read: ReadPage;
  readonly columns: readonly TableColumn[];
  readonly options: {
    readonly format: OutputFormat | undefined;
    readonly out: string | undefined;
    readonly limit: number | undefined;
    readonly cursor: string | undefined;
  };
  readonly identity: unknown;
}

/** Whether `table` or `json` were asked for, which are shown page by page. */
export function isPage({ options }: Pick<Shown, 'options'>): boolean {
  return ['table', 'json'].includes(chosenFormat(options.format, options.out));
}

/** A page: as JSON for `--json` and `--format json`, with the columns that were asked for and notices of recalls. */
export function pageResult(
  { output }: Context,
  page: DataPage,
  {
    options: { format, columns },
    lines,
  }: {
    readonly options: {
      readonly format: OutputFormat | undefined;
      readonly columns: readonly string[] | undefined;
    };
    readonly lines: readonly Line[];
  },
): void {
  const names = columns && [...columns, '_recalled'];
  const rows = names
    ? page.rows.map((row) =>
        Object.fromEntries(names.filter((name) => name in row).map((name) => [name, row[name]])),
      )
    : page.rows;
  const document = { ...page, rows };
  if (format === 'json' && !output.json) output.document(JSON.stringify(document, null, 2));
  else output.result(document, lines);
}

export async function sendTable(context: Context, shown: Shown): Promise<void> {
  const { options, columns, read } = shown;
  const format = chosenFormat(options.format, options.out);
  if (options.out !== undefined) {
    await intoFile(context, shown, { path: options.out, format: format as FileFormat });
    return;
  }
  if (format !== 'csv' && format !== 'ndjson') {
    throw new OsaError('usage', `--format ${format}: name a file by --out FILE.${format}`, {
      field: '--out',
    });
  }
  const { output } = context;
  if (output.json)
    throw new OsaError('usage', `--format ${format} and --json: give one of them`, { field: '--format' });
  if (format === 'csv') await output.bytes(Buffer.from(csvLine(columns.map(({ name }) => name))));
  const encode = format === 'csv' ? csvRows : ndjsonRows;
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  const recalled = new Map<string, string>();
  let cursor = options.cursor;
  for (let rows = 0; rows < limit; ) {
    const page = await read({ cursor, limit: Math.min(bounds.pageRows, limit - rows) });
    await output.bytes(encode(columns, page.rows as TableRow[]));
    rows += page.rows.length;
    for (const [id, reason] of noticesOf(page.rows)) recalled.set(id, reason);
    if (page.next_cursor === null) break;
    cursor = page.next_cursor;
  }
  output.note(...noticeLines(recalled));
}

async function intoFile(
  { output, signal, sources }: Context,
  { columns, read, options, identity }: Shown,
  { path, format }: { readonly path: string; readonly format: FileFormat },
): Promise<void> {
  const say = progressOf((text) => output.note(text));
  const target = await outPlace({
    path: resolve(sources.cwd, path),
    shown: path,
    kind: 'file',
    otherwise: ', or leave out --out: --format csv and --format ndjson print to stdout, for a pipe',
  });
  const { recalled, ...made } = await download({
    path: target,
    format,
    columns,
    read,
    identity,
    cursor: options.cursor,
    limit: options.limit ?? Number.POSITIVE_INFINITY,
    signal,
    onProgress: say,
  });
  output.result({ file: path, ...made }, [
    `${path}: ${counted(made.rows, 'row')}, ${bytes(made.bytes)}, as of ${made.as_of ?? '-'}`,
  ]);
  output.note(...noticeLines(recalled));
}

const everyMs = 5_000;

/** Lines of progress, not too many. */
export function progressOf(
  note: (text: string) => void,
): (progress: { readonly rows: number; readonly isWaiting: boolean }) => void {
  let last = performance.now();
  let wasWaiting = false;
  return ({ rows, isWaiting }) => {
    if (isWaiting === wasWaiting && (isWaiting || performance.now() - last < everyMs)) return;
    last = performance.now();
    wasWaiting = isWaiting;
    note(
      isWaiting ? `the connection is lost after ${count(rows)} rows; trying again` : `${count(rows)} rows`,
    );
  };
}
