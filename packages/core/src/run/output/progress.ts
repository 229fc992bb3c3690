import { OsaError } from '../../error.ts';
import { decodeUtf8, parseJson } from '../../json/parse.ts';
import { bounds } from '../../limits.ts';
import { cut } from '../../text.ts';
import { type FileLine, lastBytes, readLines } from './files.ts';
import type { Judged, JudgeTask, Verdict } from './judgement.ts';

/**
 * The message of the last line of `progress.jsonl` whose status is "rejected". With it a hook, such as a shell script
 * that calls `osa reject`, rejects all records that it was given. Every other line, whole or broken, is about progress
 * only.
 *
 * @throws OsaError as `readLines`
 */
export function rejectionOfAll({ directory, limits }: JudgeTask): string | undefined {
  const budget = { bytes: limits.outputBytes, of: limits.outputBytes };
  const reading = { directory, name: 'progress.jsonl', lineBytes: limits.lineBytes, budget } as const;
  let found: string | undefined;
  for (const line of readLines({ ...reading, onEnd: () => undefined })) found = rejectionIn(line) ?? found;
  return found;
}

/**
 * Whether the last line of `progress.jsonl` has the status "complete": by it a hook that lost a process says that its output
 * is whole all the same. A file that cannot be read says nothing.
 */
export function saysComplete(directory: string): boolean {
  try {
    const last = lastBytes(directory, 'progress.jsonl', longestClaim).toString('latin1').trimEnd();
    const entry = parsed(Buffer.from(last.slice(last.lastIndexOf('\n') + 1), 'latin1'));
    return typeof entry === 'object' && entry !== null && 'status' in entry && entry.status === 'complete';
  } catch (error) {
    if (error instanceof OsaError && error.code === 'invalid') return false;
    throw error;
  }
}

/** Bytes of the last line; a longer one says nothing. */
const longestClaim = 4_096;

/** Rejects each record, as the hook could have done itself. */
export function rejectAll(judged: Judged, reason: string): Judged {
  const verdict: Verdict = { status: 'rejected', reason };
  const verdicts = judged.verdicts.map(() => verdict);
  return { ...judged, verdicts, open: [], rowCount: 0, plan: { ...judged.plan, lines: [] } };
}

function rejectionIn({ bytes, tooLong }: FileLine): string | undefined {
  // Progress can be a great many lines, of which few are worth to be parsed.
  if (tooLong || !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('rejected'))
    return undefined;
  const entry = parsed(bytes);
  if (typeof entry !== 'object' || entry === null || !('status' in entry)) return undefined;
  if (entry.status !== 'rejected') return undefined;
  const message = 'message' in entry && typeof entry.message === 'string' ? entry.message.trim() : '';
  return cut(message, bounds.reasonLength) || 'the hook gave no reason';
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return parseJson(decodeUtf8(bytes));
  } catch (error) {
    if (error instanceof OsaError && error.code === 'malformed') return undefined;
    throw error;
  }
}
