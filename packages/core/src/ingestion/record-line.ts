import { isDepositionSource } from '../deposition/depositions.ts';
import { asOsaError, OsaError } from '../error.ts';
import { digestText, inOrder } from '../file/file.ts';
import { type NamedFiles, problemOfFiles, readFiles } from '../file/rules.ts';
import { sha256 } from '../hook/release.ts';
import { canonicalJson } from '../json/canonical.ts';
import { decodeUtf8, parseJson } from '../json/parse.ts';
import { isJsonObject } from '../json/raw.ts';
import { bounds } from '../limits.ts';
import { metadataChecker, recordSteps } from '../record/check.ts';
import { cut } from '../text.ts';
import type { IncomingRecord, Pinned } from './ingestions.ts';
import { MemberScan } from './member-scan.ts';

/** A line of an upload. */
export interface SourceLine {
  readonly line: number;
  /** Without its end; what is kept of a line over the limit is in `long` only. */
  readonly bytes: Uint8Array;
  readonly long: MemberScan | undefined;
}

/**
 * A function that reads a line as a record. The record's `problem` says why its metadata breaks the schema or cannot
 * be kept (`\u0000`, half a surrogate pair, a key that is there twice, a number that no double holds, nesting that is
 * too deep, a line over the limit). Metadata that cannot be kept is stored as `{}`, with the digest of the line.
 *
 * @throws OsaError `malformed`, `invalid` or `too_large`, with `details.line`, when the line is not such an object or
 * has no usable source id
 */
export function recordReader(
  pinned: Pinned,
  { reserved = 'refused' }: { readonly reserved?: 'refused' | 'allowed' } = {},
): (line: SourceLine) => IncomingRecord {
  const check = metadataChecker(pinned.fields, pinned);
  let uploadSteps = stepsOfUpload.first;
  const schema = canonicalJson(`${pinned.schema.id}@${pinned.schema.version}`);
  return ({ line, bytes, long }) => {
    if (long) return readLong(long, line);
    const read = parseLine(bytes, line);
    if (read.scan) return unkept(requireId(read.scan.members(), line), line, read.scan, read.problem);
    const { sourceId, metadata, problem, named } = readMembers(read.value, line);
    if (!isJsonObject(metadata)) {
      const scan = new MemberScan();
      scan.add(bytes);
      return unkept(sourceId, line, scan, 'metadata is not an object; write "metadata": {…}');
    }
    uploadSteps += bytes.length * stepsOfUpload.perByte;
    const steps = { left: Math.min(recordSteps, uploadSteps) };
    uploadSteps -= steps.left;
    const problems = problem === undefined ? [...check(metadata, steps)] : [problem];
    uploadSteps += Math.max(0, steps.left);
    const files = named.problem === undefined ? inOrder(named.files) : [];
    const wrong = named.problem ?? problemOfFiles(sourceId, files, pinned.files);
    if (wrong !== undefined) problems.push(wrong);
    if (reserved === 'refused' && isDepositionSource(sourceId)) problems.push(reservedSource);
    const canonical = canonicalJson(metadata);
    const content = `{"files":${digestText(files)},"metadata":${withoutNulls(metadata, canonical)},"schema":${schema}}`;
    return {
      sourceId,
      line,
      metadata: canonical,
      files,
      // Canonical as a whole: the keys are in order.
      contentDigest: sha256(content),
      problem: problems.length === 0 ? null : cut(problems.join('; '), bounds.reasonLength),
    };
  };
}

const reservedSource = 'source_id: names of this form are kept for depositions; take another one';

/**
 * Steps that patterns may take in one upload: some seconds, and a microsecond or less for each byte of it. By the clock
 * the same upload would be valid on one machine and not on another.
 */
export const stepsOfUpload = { first: 300_000_000, perByte: 50 };

/** A field that is null is absent, so the content is the same. */
function withoutNulls(metadata: Record<string, unknown>, canonical: string): string {
  const entries = Object.entries(metadata);
  const kept = entries.filter(([, value]) => value !== null);
  return kept.length === entries.length ? canonical : canonicalJson(Object.fromEntries(kept));
}

function unkept(sourceId: string, line: number, scan: MemberScan, problem: string): IncomingRecord {
  const reason = cut(problem, bounds.reasonLength);
  return { sourceId, line, metadata: '{}', contentDigest: scan.digest(), files: [], problem: reason };
}

/** Brackets, strings and members of such a line are checked, its values are not. */
function readLong(scan: MemberScan, line: number): IncomingRecord {
  const problem = `the line is longer than ${bounds.lineBytes} bytes`;
  const id = scan.isWhole() ? usableId(scan.members()) : undefined;
  if (id?.sourceId !== undefined) return unkept(id.sourceId, line, scan, problem);
  const why = id?.problem ?? 'it is not a JSON object';
  throw new OsaError('too_large', `line ${line}: longer than ${bounds.lineBytes} bytes, and ${why}`, {
    details: { line },
  });
}

type ParsedLine =
  | { readonly value: unknown; readonly scan?: undefined }
  | { readonly scan: MemberScan; readonly problem: string };

function parseLine(bytes: Uint8Array, line: number): ParsedLine {
  try {
    return { value: parseJson(bytes, { numbers: 'kept' }) };
  } catch (cause) {
    const error = asOsaError(cause);
    if (!error) throw cause;
    const scan = new MemberScan();
    scan.add(bytes);
    if (isJson(bytes) && scan.isWhole())
      return { scan, problem: `the line cannot be kept: ${error.message}` };
    throw new OsaError('malformed', `line ${line}: ${error.message}`, {
      details: { ...error.details, line },
      cause,
    });
  }
}

/** Whether the bytes are JSON by its grammar alone, whatever their values are. */
function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decodeUtf8(bytes));
    return true;
  } catch {
    return false;
  }
}

interface Members {
  readonly sourceId: string;
  readonly metadata: unknown;
  /** Why the record cannot be used, where its sender knows: from a table, say. */
  readonly problem: string | undefined;
  readonly named: NamedFiles;
}

function readMembers(value: unknown, line: number): Members {
  if (!isJsonObject(value))
    throw refusal(line, 'not a JSON object', 'write {"source_id": …, "metadata": {…}}');
  const { source_id, id, metadata, files, problem, fetched_at: _, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw refusal(
      line,
      `unknown member ${JSON.stringify(unknown)}`,
      'allowed are source_id, metadata, files',
    );
  }
  if (problem !== undefined && (typeof problem !== 'string' || problem === '')) {
    throw refusal(
      line,
      'problem is not a text',
      'say why the record cannot be used, or leave it out',
      'problem',
    );
  }
  const given = Object.entries({ source_id, id }).filter(([, named]) => named !== undefined);
  return { sourceId: requireId(given, line), metadata, problem, named: readFiles(files) };
}

type GivenId = readonly [name: string, value: unknown];

function requireId(given: readonly GivenId[], line: number): string {
  const { sourceId, problem } = usableId(given);
  if (sourceId === undefined)
    throw refusal(line, problem, 'give each record its id at the source', 'source_id');
  return sourceId;
}

/** The one id among the members `source_id` and `id`, or what is wrong with them. */
function usableId(
  given: readonly GivenId[],
): { sourceId: string; problem?: undefined } | { sourceId?: undefined; problem: string } {
  const [first, second, ...more] = given;
  if (first === undefined) return { problem: 'source_id is missing or not text' };
  const [name, value] = first;
  if (more.length > 0 || name === second?.[0]) return { problem: `${name} is there twice` };
  if (second !== undefined && value !== second[1])
    return { problem: 'source_id and id are both given and differ' };
  if (typeof value !== 'string' || value === '') return { problem: 'source_id is missing or not text' };
  if (Buffer.byteLength(value) > bounds.sourceIdBytes) {
    return { problem: `source_id is longer than ${bounds.sourceIdBytes} bytes` };
  }
  return { sourceId: value };
}

function refusal(line: number, what: string, advice: string, field?: string): OsaError {
  return new OsaError('invalid', `line ${line}: ${what}; ${advice}`, { field, details: { line } });
}
