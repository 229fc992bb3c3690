import { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import type { Field } from '@osa/core/record/cell';
import type { Context } from '../command.ts';
import { openRecords, type RecordsFile, unreadable } from '../commands/ingestions/records-file.ts';
import type { Choices } from './columns.ts';
import { contentOf, type Reading } from './content.ts';
import { flatRefusal, isFlat, isPublished, nested } from './flat.ts';
import { isParquetFile } from './format.ts';
import { tableRecords } from './tabular.ts';

export type InputOptions = Choices & Reading;

/** Files of records in any format that is read, as one upload in NDJSON. */
export interface RecordsInput extends RecordsFile {
  /** The fields of the schema, to be said before the input is read: what a cell is follows from them. */
  readFor(fields: readonly Field[]): void;
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
  let fields: readonly Field[] = [];
  const starts: { readonly name: string; readonly before: number }[] = [];
  async function* read(stop?: AbortSignal): AsyncGenerator<Buffer> {
    starts.length = 0;
    const count = { lines: 0 };
    for (const source of sources) {
      starts.push({ name: source.name, before: count.lines });
      yield* counting(converted(source, { options, fields, stop }), count);
    }
  }
  return {
    name: sources.map(({ name }) => name).join(', '),
    field,
    open: (stop) => Readable.from(read(stop), { objectMode: false }),
    replayable: sources.every(({ replayable }) => replayable),
    size: undefined,
    isTyped: sources.some(({ isTyped }) => isTyped),
    readFor(wanted) {
      fields = wanted;
    },
    placeOf(line) {
      const start = starts.findLast(({ before }) => before < line);
      return start && starts.length > 1 ? `${start.name} line ${line - start.before}` : undefined;
    },
  };
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

async function* converted(
  source: RecordsFile,
  {
    options,
    fields,
    stop,
  }: {
    readonly options: InputOptions;
    readonly fields: readonly Field[];
    readonly stop: AbortSignal | undefined;
  },
): AsyncGenerator<string | Buffer> {
  const { name, path } = source;
  try {
    if (path !== undefined && options.format === undefined && (await isParquetFile(path))) {
      const { parquetRecords } = await import('./parquet.ts');
      yield* parquetRecords({ name, path }, { fields, choices: options, stop });
      return;
    }
    const content = await contentOf(name, source.open(stop), options);
    if (content.isTable) {
      const { separator } = content;
      yield* tableRecords(name, content.text(), { fields, choices: options, separator });
      return;
    }
    // Records that osa has written say their id.
    const id = options.id ?? (isPublished(content.head, content.format) ? 'source_id' : undefined);
    if (id === undefined && isFlat(content.head, content.format)) throw flatRefusal(name);
    if (id === undefined) yield* content.lines();
    else yield* nested(name, content.text(), { fields, choices: { ...options, id } });
  } catch (error) {
    throw unreadable(source, error);
  }
}
