import { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { emptyText } from '@osa/core/record/cell';
import { CsvError, type Options, parse } from 'csv-parse';

/** Rows of a CSV or TSV file. */

export interface Row {
  readonly cells: readonly string[];
  /** The line of the file on which it begins, from 1. */
  readonly line: number;
}

/** Cells that a row has at least: columns without a title may be missing at the end. */
export function leastCells(header: readonly string[]): number {
  return header.findLastIndex((title) => title.trim() !== '') + 1;
}

const separators = [',', ';', '\t', '|'] as const;

/** The first line as Excel writes it, `sep=;`, which names the separator and is not a row. */
const separatorLine = /^("?)sep=([^"\r\n])\1(?=[\r\n]|$)/i;

/** The separator that the first line names; undefined where it names none. */
export function separatorNamed(head: string): string | undefined {
  return separatorLine.exec(head)?.[2];
}

/** Makes a first line that names the separator blank, so that the others keep their numbers. */
async function* withoutNamed(text: AsyncIterable<string>): AsyncGenerator<string> {
  let start: string | undefined = '';
  for await (const piece of text) {
    if (start === undefined) {
      yield piece;
      continue;
    }
    start += piece;
    if (start.length < longestNamed) continue;
    yield start.replace(separatorLine, '');
    start = undefined;
  }
  if (start !== undefined) yield start.replace(separatorLine, '');
}

/** Characters of such a line with its end. */
const longestNamed = '"sep=;"\r\n'.length;

/** The separator of the first line that is not blank: the one that is there most often, outside of quotes. */
export function separatorOf(head: string): string {
  const [first = ''] = head.split(/\r\n?|\n/).filter((line) => line.trim() !== '');
  const bare = first.replaceAll(/"(?:[^"]|"")*"/g, '');
  const counts = separators.map((separator) => [separator, bare.split(separator).length - 1] as const);
  const [best] = counts.toSorted(([, one], [, other]) => other - one);
  return best !== undefined && best[1] > 0 ? best[0] : ',';
}

/** @throws OsaError `usage` for quotes that do not fit, with the line */
export async function* readRows(
  name: string,
  text: AsyncIterable<string>,
  separator: string,
): AsyncGenerator<Row> {
  const source = Readable.from(withoutNamed(text), { objectMode: false, encoding: 'utf8' });
  const place = new Place();
  let isBare = false;
  const options: Options<Row, string[]> = {
    delimiter: separator,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    relax_quotes: separator === '\t',
    skip_empty_lines: true,
    max_record_size: 4 * bounds.lineBytes,
    // A quoted empty cell is an empty text, unless the table has quotes around everything.
    cast: (cell, { quoting, records }) => {
      if (records === 0) isBare ||= !quoting;
      // The character alone would be an empty text; so the record is refused, as with any other text that has it.
      if (cell === emptyText) return cell + cell;
      return quoting && isBare && cell === '' && records > 0 ? emptyText : cell;
    },
    on_record: (cells, { lines }) => ({ cells, line: place.of(cells, lines) }),
  };
  // The types of the parser know rows of another shape only with `columns`.
  const parser = parse(options as unknown as Options);
  source.on('error', (error) => parser.destroy(error));
  try {
    yield* source.pipe(parser) as AsyncIterable<Row>;
  } catch (error) {
    throw error instanceof CsvError ? flaw(name, error, place) : error;
  } finally {
    source.destroy();
    parser.destroy();
  }
}

/** Lines of the file, from those that the parser counts: it takes a `\r\n` within quotes for two. */
class Place {
  /** Counted too much so far. */
  surplus = 0;
  /** The last line of the last record. */
  ended = 0;

  /** The line on which a record begins. */
  of(cells: readonly string[], counted: number): number {
    let breaks = 0;
    for (const cell of cells) {
      if (!cell.includes('\n') && !cell.includes('\r')) continue;
      breaks += cell.split(/\r\n|\r|\n/).length - 1;
      this.surplus += cell.split('\r\n').length - 1;
    }
    this.ended = counted - this.surplus;
    return this.ended - breaks;
  }
}

function flaw(name: string, error: CsvError, { surplus, ended }: Place): OsaError {
  const flaws: Readonly<Record<string, string>> = {
    CSV_QUOTE_NOT_CLOSED: 'a quote is not closed before the end of the file',
    CSV_MAX_RECORD_SIZE: 'a record is longer than 4 MiB; is a quote not closed?',
  };
  const open = flaws[error.code];
  // An open quote is found at the end only, but it is in the record after the last one.
  const line = open === undefined ? Number('lines' in error ? error.lines : 0) - surplus : ended + 1;
  const problem =
    open ?? 'a quote within a cell; put the whole cell into quotes, and double each quote in it';
  return new OsaError('usage', `${name} line ${line}: ${problem}`, { details: { line }, cause: error });
}
