import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { emptyText } from '@osa/core/record/cell';
import type { Context } from '../../command.ts';
import { largeRefusal, refuseCollection } from '../../input/collection.ts';
import { type Content, contentOf, type Reading } from '../../input/content.ts';
import { linesOf, parseRecord } from '../../input/flat.ts';
import { isParquetFile } from '../../input/format.ts';
import { leastCells, readRows } from '../../input/table.ts';
import { count } from '../../terminal/format.ts';
import type { Progress } from '../ingestions/progress.ts';
import { metered, openRecords, unreadable } from '../ingestions/records-file.ts';
import { type Column, ColumnLook, newRooms } from './infer-column.ts';

/** The content of a file of records. */
export interface Survey {
  readonly columns: readonly Column[];
  readonly records: number;
  /** Rows with fewer cells than the header. */
  readonly short: number;
  /** Whether each record has `source_id` and `metadata`, whose members are the columns. */
  readonly isNested: boolean;
  /** Whether the records are flat JSON, whose ids are never found by their name. */
  readonly isFlat: boolean;
}

/** Reads all of the file and keeps little of it. @throws OsaError `usage` for a file without records */
export async function surveyFile(
  context: Context,
  file: string,
  { reading, progress }: { readonly reading: Reading; readonly progress: Pick<Progress, 'reading'> },
): Promise<Survey> {
  const source = await openRecords(context, { file, field: 'from' });
  try {
    if (source.path !== undefined && (await isParquetFile(source.path))) {
      const next =
        'save some of its rows as CSV and start with these; osa ingest reads all of the Parquet then';
      throw new OsaError('usage', `${file} is Parquet, of which no schema is made here: ${next}`, {
        field: 'from',
      });
    }
    let read = 0;
    const bytes = metered(source.open(context.signal), (more) => {
      read += more;
      progress.reading(read, source.size);
    });
    const content = await contentOf(file, bytes, reading);
    const survey = content.isTable
      ? await surveyTable(file, content.text(), content.separator)
      : await surveyJson(file, content);
    if (survey.records > 0 && survey.columns.length > 0) return survey;
    throw new OsaError('usage', `${file} holds no record, so no schema can be made of it`, { field: 'from' });
  } catch (error) {
    throw unreadable(source, error);
  }
}

async function surveyTable(name: string, text: AsyncIterable<string>, separator: string): Promise<Survey> {
  const rooms = newRooms();
  let looks: ColumnLook[] | undefined;
  let [least, records, short, longer, longest] = [0, 0, 0, 0, 0];
  for await (const { cells } of readRows(name, text, separator)) {
    if (looks === undefined) {
      const titled = cells.filter((title) => title.trim() !== '').length;
      if (titled > mostMembers || cells.length > mostCells) throw manyColumns(name, cells.length);
      looks = cells.map((title) => new ColumnLook(title.trim(), rooms));
      least = leastCells(cells);
      continue;
    }
    records += 1;
    if (cells.length < least) short += 1;
    if (cells.slice(looks.length).some((cell) => cell !== '' && cell !== emptyText)) longer += 1;
    longest = Math.max(longest, cells.length);
    for (const [index, look] of looks.entries()) look.add(cells[index] ?? '');
  }
  if (longer > records / 2) {
    const message =
      `${name}: the first row has ${looks?.length} cells, and most have more, up to ${longest}: ` +
      'give each column a title, delete what is above the header, or name the separator by --separator';
    throw new OsaError('usage', message, { field: 'from' });
  }
  return {
    columns: (looks ?? []).map((look) => look.column(records)),
    records,
    short,
    isNested: false,
    isFlat: false,
  };
}

async function surveyJson(name: string, { head, text }: Content): Promise<Survey> {
  refuseCollection(name, head, false);
  const rooms = newRooms();
  const looks = new Map<string, ColumnLook>();
  let [line, records, longest, isNested] = [0, 0, 0, false];
  for await (const content of linesOf(name, text())) {
    line += 1;
    if (content.trim() === '') continue;
    const record = parseRecord(name, content, line);
    isNested ||= 'metadata' in record;
    records += 1;
    longest = Math.max(longest, Buffer.byteLength(content));
    for (const [title, value] of Object.entries(Object(isNested ? record.metadata : record))) {
      const look = looks.get(title) ?? new ColumnLook(title, rooms);
      looks.set(title, look);
      if (looks.size > mostMembers) throw manyMembers(name, line);
      look.addJson(value);
    }
  }
  if (records === 1 && longest > bounds.lineBytes) throw largeRefusal(name);
  return {
    columns: [...looks.values()].map((look) => look.column(records)),
    records,
    short: 0,
    isNested,
    isFlat: !isNested,
  };
}

/** Names of members in a file of JSON; more than a schema has fields, since some are left out. */
const mostMembers = 2 * bounds.fields;

/** Cells of a header; spreadsheets have no more columns, and may write all of them. */
const mostCells = 16_384;

function manyColumns(name: string, cells: number): OsaError {
  const message =
    `${name}: the first row has ${count(cells)} cells, and a schema has at most ${bounds.fields} fields; delete columns, write ` +
    'them as rows, or name the separator by --separator';
  return new OsaError('usage', message, { field: 'from' });
}

function manyMembers(name: string, line: number): OsaError {
  const message =
    `${name} line ${line}: up to here the records have more than ${mostMembers} members of different names, and a schema ` +
    `has at most ${bounds.fields} fields; give what the names say a field of its own`;
  return new OsaError('usage', message, { field: 'from' });
}
