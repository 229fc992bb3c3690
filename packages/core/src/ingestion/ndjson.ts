import { asOsaError, OsaError } from '../error.ts';
import { bounds } from '../limits.ts';
import type { IncomingRecord, Pinned } from './ingestions.ts';
import { MemberScan } from './member-scan.ts';
import { recordReader, type SourceLine } from './record-line.ts';
import { requireNdjson, withoutMark } from './upload-format.ts';

/**
 * Reads an upload of records: NDJSON, one `{"source_id": text, "metadata": object, "files": list}` a line. `id` is another
 * name of `source_id`; `files` may be left out; `fetched_at` is allowed, since the archive's ingesters write it. A record with
 * `problem`, a text, is invalid for this reason: its sender could not read it as the schema wants it.
 *
 * One bad record costs one record: if a line is JSON and has a source id, a problem of its content makes only that
 * record invalid. Other bad lines refuse the upload; the first `mostRefusals` of them are reported together.
 *
 * @throws OsaError `malformed` (a line is not JSON), `invalid` (not an object, an unknown member, no usable source id) or
 * `too_large` (a line over the limit whose source id cannot be found), with `details.line` of the first such line, and
 * `details.problems` (`{line, code, message}`) when there are several.
 */
export async function* readRecords(
  source: AsyncIterable<Uint8Array>,
  pinned: Pinned,
): AsyncGenerator<IncomingRecord> {
  const read = recordReader(pinned);
  const refusals: OsaError[] = [];
  let isFirst = true;
  for await (const given of splitLines(source)) {
    const line = isFirst ? withoutMark(given) : given;
    if (isFirst) requireNdjson(line);
    isFirst = false;
    const record = asRefusal(() => read(line));
    if (record instanceof OsaError) refusals.push(record);
    else if (refusals.length === 0) yield record;
    if (refusals.length === mostRefusals) break;
  }
  const refusal = together(refusals);
  if (refusal) throw refusal;
}

/** Bad lines that are reported at once. */
export const mostRefusals = 100;

function asRefusal<Result>(read: () => Result): Result | OsaError {
  try {
    return read();
  } catch (error) {
    const known = asOsaError(error);
    if (known) return known;
    throw error;
  }
}

function together(refusals: readonly OsaError[]): OsaError | undefined {
  const [first] = refusals;
  if (first === undefined || refusals.length === 1) return first;
  const { code, field, details } = first;
  const others = refusals.length - 1;
  const count =
    refusals.length === mostRefusals
      ? `at least ${others} more`
      : others === 1
        ? 'one more'
        : `${others} more`;
  const problems = refusals.map((refusal) => ({
    line: refusal.details.line,
    code: refusal.code,
    message: refusal.message,
  }));
  return new OsaError(code, `${first.message} (${count} of the lines cannot be read)`, {
    field,
    details: { ...details, problems },
    cause: first,
  });
}

/** The refusal of a source that is on two lines of an upload. */
export function twinRefusal(sourceId: string, [first, second]: readonly [number, number]): OsaError {
  const message = `line ${second}: source_id ${JSON.stringify(sourceId)} is already on line ${first}; send each source once`;
  return new OsaError('invalid', message, {
    field: 'source_id',
    details: { line: second, first_line: first },
  });
}

/**
 * The lines of `source` that are not blank, without their ends (`\n` or `\r\n`), counted from 1. Only the members of a
 * line over the limit are kept, whatever its length.
 */
async function* splitLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<SourceLine> {
  let line = 1;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let long: MemberScan | undefined;
  const take = (): SourceLine => {
    const bytes = trimEnd(pending.length === 1 && pending[0] ? pending[0] : Buffer.concat(pending));
    const taken = { line, bytes, long };
    line += 1;
    pending = [];
    pendingBytes = 0;
    long = undefined;
    return taken;
  };
  const keep = (bytes: Uint8Array): void => {
    pendingBytes += bytes.length;
    if (bytes.length > 0) pending.push(bytes);
    if (pendingBytes <= bounds.lineBytes) return;
    long ??= new MemberScan();
    for (const piece of pending) long.add(piece);
    pending = [];
  };
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      keep(chunk.subarray(start, end));
      start = end + 1;
      const taken = take();
      if (taken.long || !isBlank(taken.bytes)) yield taken;
    }
    keep(chunk.subarray(start));
  }
  const last = take();
  if (last.long || !isBlank(last.bytes)) yield last;
}

function trimEnd(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes;
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 32 || byte === 9);
}
