import { Readable } from 'node:stream';
import { asOsaError, OsaError } from '@osa/core/error';
import type { RecordFile } from '@osa/core/file/file';
import { problemOfFiles, readFiles } from '@osa/core/file/rules';
import { canonicalJson } from '@osa/core/json/canonical';
import { parseJson } from '@osa/core/json/parse';
import { isJsonObject } from '@osa/core/json/raw';
import { bounds } from '@osa/core/limits';
import type { RecordsInput } from '../../../input/input.ts';
import { metered } from '../records-file.ts';
import type { LocalFile, LocalFiles } from './local.ts';

type Rules = Parameters<typeof problemOfFiles>[2];

export interface WithFiles {
  /** The same records, which name their files as the server knows them. */
  readonly source: RecordsInput;
  /** The files of the records that keep the rules, each content once. */
  readonly files: readonly LocalFile[];
}

/**
 * Finds the files of records: those in the directory of each, with `eachHasDirectory`, and the paths of its member `files`.
 * The records are read twice, so that no line is sent before its files are.
 *
 * @throws OsaError `usage`, with the line of the upload, for a file that cannot be taken
 */
export async function attachFiles(
  source: RecordsInput,
  local: LocalFiles,
  {
    rules,
    eachHasDirectory,
    stop,
    onRead,
  }: {
    readonly rules: Rules;
    readonly eachHasDirectory: boolean;
    readonly stop: AbortSignal;
    /** Called for each piece of the records. */
    readonly onRead: () => void;
  },
): Promise<WithFiles> {
  const found = new Map<number, readonly RecordFile[]>();
  const wanted = new Map<string, LocalFile>();
  for await (const { number, bytes, isWhole } of lines(metered(source.open(stop), onRead))) {
    const record = isWhole ? recordOf(bytes) : undefined;
    if (record === undefined) continue;
    const files = await filesOf(record, local, eachHasDirectory).catch((error: unknown) => {
      throw onLine(number, error);
    });
    if (files === undefined) continue;
    found.set(number, files);
    const { problem = problemOfFiles(record.sourceId, files, rules) } = readFiles(saidOf(files));
    if (problem !== undefined) continue;
    for (const file of files) wanted.set(file.sha256, file);
  }
  async function* named(ended?: AbortSignal) {
    for await (const { number, bytes, isLast } of lines(source.open(ended))) {
      const files = found.get(number);
      yield files === undefined ? bytes : withMember(bytes, files);
      if (isLast) yield newline;
    }
  }
  return {
    source: {
      ...source,
      open: (ended) => Readable.from(named(ended), { objectMode: false }),
      size: undefined,
    },
    files: [...wanted.values()],
  };
}

const newline = Buffer.from('\n');

interface NamingRecord {
  readonly sourceId: string;
  readonly files: unknown;
}

/** Undefined for what the server will refuse, which it does better. */
function recordOf(bytes: Buffer): NamingRecord | undefined {
  const value = parsed(bytes);
  const sourceId = value?.source_id ?? value?.id;
  return typeof sourceId === 'string' ? { sourceId, files: value?.files } : undefined;
}

/** Undefined where the record stays as it is: it has no files, or says itself what the server knows them by. */
async function filesOf(
  { sourceId, files }: NamingRecord,
  local: LocalFiles,
  eachHasDirectory: boolean,
): Promise<LocalFile[] | undefined> {
  if (Array.isArray(files) && files.length > 0 && files.every((path) => typeof path === 'string')) {
    return local.named(files);
  }
  const saysNone = files === undefined || files === null || (Array.isArray(files) && files.length === 0);
  if (!eachHasDirectory || !saysNone) return undefined;
  const there = await local.ofRecord(sourceId);
  return there.length === 0 ? undefined : there;
}

function withMember(bytes: Buffer, files: readonly RecordFile[]): Buffer {
  return Buffer.from(canonicalJson({ ...parsed(bytes), files: saidOf(files) }));
}

function saidOf(files: readonly RecordFile[]) {
  return files.map(({ name, sha256, size }) => ({ name, sha256, size }));
}

function parsed(bytes: Buffer): Record<string, unknown> | undefined {
  if (bytes.length === 0 || bytes.length > bounds.lineBytes) return undefined;
  try {
    const value = parseJson(bytes, { numbers: 'kept' });
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (asOsaError(error)) return undefined;
    throw error;
  }
}

/** A line without its end, or a piece of one that is too long for a record. Its last piece says so. */
interface LinePiece {
  readonly number: number;
  readonly bytes: Buffer;
  readonly isWhole: boolean;
  readonly isLast: boolean;
}

/** Lines as they are counted by the server. Little more than `bounds.lineBytes` of one are in memory. */
async function* lines(source: AsyncIterable<Buffer>): AsyncGenerator<LinePiece> {
  let number = 1;
  let pending: Buffer[] = [];
  let size = 0;
  let isWhole = true;
  const take = (isLast: boolean): LinePiece => {
    const taken = { number, bytes: Buffer.concat(pending), isWhole: isWhole && isLast, isLast };
    if (isLast) number += 1;
    isWhole = isLast;
    [pending, size] = [[], 0];
    return taken;
  };
  const keep = (bytes: Buffer): void => {
    pending.push(bytes);
    size += bytes.length;
  };
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      keep(chunk.subarray(start, end));
      yield take(true);
      start = end + 1;
    }
    keep(chunk.subarray(start));
    if (size > bounds.lineBytes) yield take(false);
  }
  if (size > 0 || !isWhole) yield take(true);
}

function onLine(line: number, error: unknown): unknown {
  const known = asOsaError(error);
  if (!known || known.code === 'interrupted') return error;
  const { code, message, field, details } = known;
  return new OsaError(code, `line ${line}: ${message}`, {
    field,
    details: { ...details, line },
    cause: known,
  });
}
