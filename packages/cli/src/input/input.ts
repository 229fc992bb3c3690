import { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import type { Context } from '../command.ts';
import {
  metered,
  openRecords,
  type RecordsFile,
  refuseChanged,
  stateOf,
  unreadable,
} from '../commands/ingestions/records-file.ts';
import { isLargeObject, largeRefusal, refuseCollection } from './collection.ts';
import { type Choices, Numbering } from './columns.ts';
import { contentOf, type Reading } from './content.ts';
import { flatRefusal, isFlat, isPublished, nested } from './flat.ts';
import { isParquetFile } from './format.ts';
import type { Wanted } from './row-check.ts';
import { tableRecords } from './tabular.ts';

export type InputOptions = Choices & Reading;

/** Files of records in any format that is read, as one upload in NDJSON. */
export interface RecordsInput extends RecordsFile {
  /** The schema, to be said before the input is read: what a cell is follows from its fields. */
  readFor(wanted: Wanted): void;
  /** Bytes of the files, packed as they may be, that are read so far, and of all of them where that is known. */
  read(): { readonly bytes: number; readonly total: number | undefined };
  /** The place in the files of a line of the upload; undefined where it is the only file's own. */
  placeOf(line: number): string | undefined;
}

/** @throws OsaError `usage` for a file that is not there or cannot be read */
export async function openInput(
  context: Context,
  { files, field }: { readonly files: readonly string[]; readonly field: string },
  options: InputOptions,
): Promise<RecordsInput> {
  const sources: RecordsFile[] = [];
  for (const file of files) sources.push(await openRecords(context, { file, field }));
  const [first] = sources;
  if (first === undefined || files.filter((file) => file === '-').length > 1) {
    throw new OsaError('usage', 'give one file or more, and standard input once', { field });
  }
  let wanted: Wanted = { fields: [], openText: false };
  const starts: Start[] = [];
  const read = { bytes: 0, total: sizeOf(sources) };
  async function* records(stop?: AbortSignal): AsyncGenerator<Buffer> {
    starts.length = 0;
    read.bytes = 0;
    const count = { lines: 0 };
    const numbers = new Numbering();
    for (const source of sources) {
      const start: Start = { name: source.name, before: count.lines, unit: 'line' };
      starts.push(start);
      const before = await stateOf(source).catch(() => undefined);
      yield* counting(converted(source, { options, wanted, numbers, start, stop, read }), count);
      await refuseChanged(source, before);
    }
  }
  return {
    name: sources.map(({ name }) => name).join(', '),
    field,
    open: (stop) => Readable.from(records(stop), { objectMode: false }),
    replayable: sources.every(({ replayable }) => replayable),
    size: undefined,
    read: () => read,
    isTyped: sources.some(({ isTyped }) => isTyped),
    readFor(schema) {
      wanted = schema;
    },
    placeOf(line) {
      const start = starts.findLast(({ before }) => before < line);
      return start && sources.length > 1 ? `${start.name} ${start.unit} ${line - start.before}` : undefined;
    },
  };
}

function sizeOf(sources: readonly RecordsFile[]): number | undefined {
  const sizes = sources.map(({ size }) => size);
  return sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

/** The beginning of a file in the upload. */
interface Start {
  readonly name: string;
  /** Lines of the upload before it. */
  readonly before: number;
  /** A line of the upload, as the file counts it. */
  unit: 'line' | 'row';
}

/** Text as bytes, in pieces of a good size, with its lines counted and the last one ended. */
async function* counting(
  pieces: AsyncIterable<string | Buffer>,
  count: { lines: number },
): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let size = 0;
  let isEnded = true;
  for await (const piece of pieces) {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    if (bytes.length === 0) continue;
    for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count.lines += 1;
    isEnded = bytes.at(-1) === 10;
    waiting.push(bytes);
    size += bytes.length;
    if (size < 64 * 1024) continue;
    yield Buffer.concat(waiting);
    [waiting, size] = [[], 0];
  }
  if (!isEnded) {
    waiting.push(Buffer.from('\n'));
    count.lines += 1;
  }
  if (waiting.length > 0) yield Buffer.concat(waiting);
}

interface Converting {
  readonly options: InputOptions;
  readonly wanted: Wanted;
  readonly numbers: Numbering;
  readonly start: Start;
  readonly stop: AbortSignal | undefined;
  readonly read: { bytes: number };
}

async function* converted(
  source: RecordsFile,
  { options, wanted, numbers, start, stop, read }: Converting,
): AsyncGenerator<string | Buffer> {
  const { name, path } = source;
  try {
    if (path !== undefined && options.format === undefined && (await isParquetFile(path))) {
      start.unit = 'row';
      const { parquetRecords } = await import('./parquet/records.ts');
      const begun = read.bytes;
      // Parquet is not read from its beginning to its end.
      const onRead = (share: number) => {
        read.bytes = begun + Math.floor(share * (source.size ?? 0));
      };
      yield* parquetRecords({ name, path }, { wanted, choices: options, numbers, stop, onRead });
      return;
    }
    const bytes = metered(source.open(stop), (more) => {
      read.bytes += more;
    });
    const content = await contentOf(name, bytes, options);
    if (content.isTable) {
      const { separator } = content;
      yield* tableRecords(name, content.text(), { wanted, choices: options, separator, numbers });
      return;
    }
    // Records that osa has written say their id.
    const id = options.id ?? (isPublished(content.head, content.format) ? 'source_id' : undefined);
    refuseCollection(name, content.head, id !== undefined);
    if (id === undefined && isLargeObject(content.head)) throw largeRefusal(name);
    if (id === undefined && isFlat(content.head, content.format)) throw flatRefusal(name);
    if (id === undefined) yield* content.lines();
    else yield* nested(name, content.text(), { fields: wanted.fields, choices: { ...options, id }, numbers });
  } catch (error) {
    throw unreadable(source, error);
  }
}
