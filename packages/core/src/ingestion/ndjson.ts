import { asOsaError, OsaError } from '../error.ts';
import { canonicalJson, sha256 } from '../hook/release.ts';
import { parseJson } from '../json/parse.ts';
import { bounds } from '../limits.ts';
import { metadataChecker } from '../record/check.ts';
import { cut } from '../text.ts';
import type { IncomingRecord, Pinned } from './ingestions.ts';

/**
 * Reads an upload of records: NDJSON, one `{"source_id": text, "metadata": object}` a line (`id` stands for
 * `source_id` too; `fetched_at` and an empty `files` are allowed, as the archive's ingesters write them).
 * A line that cannot be read refuses the upload; a record that only breaks the schema carries its problem.
 *
 * @throws OsaError `malformed` (not NDJSON), `invalid` (no usable source_id), `too_large` (a line), each with
 * `details.line`.
 */
export async function* readRecords(
  source: AsyncIterable<Uint8Array>,
  pinned: Pinned,
): AsyncGenerator<IncomingRecord> {
  const check = metadataChecker(pinned.fields);
  const schema = `${pinned.schema.id}@${pinned.schema.version}`;
  for await (const { line, bytes } of splitLines(source)) {
    const { sourceId, metadata } = readLine(bytes, line);
    const problems = check(metadata);
    yield {
      sourceId,
      line,
      metadata: canonicalJson(metadata),
      contentDigest: sha256(canonicalJson({ schema, metadata, files: [] })),
      problem: problems.length === 0 ? null : cut(problems.join('; '), bounds.reasonLength),
    };
  }
}

/** The refusal of a source that stands on two lines of an upload. */
export function twinRefusal(sourceId: string, [first, second]: readonly [number, number]): OsaError {
  const message = `line ${second}: source_id ${JSON.stringify(sourceId)} stands already on line ${first}; send each source once`;
  return new OsaError('invalid', message, {
    field: 'source_id',
    details: { line: second, first_line: first },
  });
}

/** The lines of `source` that are not blank, without their ends (`\n` or `\r\n`), counted from 1. */
async function* splitLines(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ line: number; bytes: Uint8Array }> {
  let line = 1;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  const take = () => {
    const bytes = trimEnd(pending.length === 1 && pending[0] ? pending[0] : Buffer.concat(pending));
    pending = [];
    pendingBytes = 0;
    return { line: line++, bytes };
  };
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      keep(chunk.subarray(start, end));
      start = end + 1;
      const taken = take();
      if (!isBlank(taken.bytes)) yield taken;
    }
    keep(chunk.subarray(start));
  }
  const last = take();
  if (!isBlank(last.bytes)) yield last;

  function keep(bytes: Uint8Array): void {
    pendingBytes += bytes.length;
    if (pendingBytes > bounds.lineBytes) {
      throw new OsaError('too_large', `line ${line}: longer than ${bounds.lineBytes} bytes`, {
        details: { line },
      });
    }
    if (bytes.length > 0) pending.push(bytes);
  }
}

function readLine(bytes: Uint8Array, line: number): { sourceId: string; metadata: object } {
  const value = parseLine(bytes, line);
  if (!isObject(value)) throw refusal(line, 'not a JSON object', 'write {"source_id": …, "metadata": {…}}');
  const { source_id, id, metadata, files, fetched_at: _, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw refusal(line, `unknown member ${JSON.stringify(unknown)}`, 'allowed are source_id, metadata');
  }
  const sourceId = source_id ?? id;
  if (typeof sourceId !== 'string' || sourceId === '') {
    throw refusal(
      line,
      'source_id is missing or not text',
      'give each record its id at the source',
      'source_id',
    );
  }
  if (Buffer.byteLength(sourceId) > bounds.sourceIdBytes) {
    throw refusal(line, `source_id is longer than ${bounds.sourceIdBytes} bytes`, 'shorten it', 'source_id');
  }
  if (!isObject(metadata))
    throw refusal(line, 'metadata is not an object', 'write "metadata": {…}', 'metadata');
  if (Array.isArray(files) ? files.length > 0 : files !== undefined) {
    throw refusal(line, 'files cannot come in with NDJSON', 'leave files out', 'files');
  }
  return { sourceId, metadata };
}

function parseLine(bytes: Uint8Array, line: number): unknown {
  try {
    return parseJson(bytes);
  } catch (cause) {
    const error = asOsaError(cause);
    if (!error) throw cause;
    throw new OsaError('malformed', `line ${line}: ${error.message}`, {
      details: { ...error.details, line },
      cause,
    });
  }
}

function refusal(line: number, what: string, advice: string, field?: string): OsaError {
  return new OsaError('invalid', `line ${line}: ${what}; ${advice}`, { field, details: { line } });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function trimEnd(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes;
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 32 || byte === 9);
}
