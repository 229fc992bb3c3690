import { bounds } from '../../limits.ts';
import type { RowChunk, Verdict } from '../../run/output/judgement.ts';
import type { RunResult } from '../../run/queue.ts';
import { hostArchitecture } from '../../system/architecture.ts';
import { cut } from '../../text.ts';
import type { Start } from './again.ts';
import { RowComparison } from './compare-rows.ts';
import type { HeldPart, NewCertificate, ReplayedRecord, ReplayQueue, StoredRow } from './replays.ts';

/** Rows that are in memory at a time, of each side. */
const rowsAtOnce = 5_000;

/** Values that the certificates of one part name, all together. */
const mostExamples = 2_000;

/** The ends of a start after which the code's answer counts, or what it left out does. */
const answering: readonly string[] = ['exited', 'output_too_large'];

type Ran = Pick<NewCertificate, 'engine' | 'architecture' | 'resolvedDigest' | 'platformDigest'>;

const notRun: Ran = { engine: null, architecture: null, resolvedDigest: null, platformDigest: null };
const nothingMade = { storedDigest: null, madeDigest: null, differing: null, columns: [], examples: [] };

/** Certifies all results of a part that could not be run. */
export function cannotAll(
  { whole }: HeldPart,
  records: readonly ReplayedRecord[],
  reason: string,
): NewCertificate[] {
  const outcomes = records.flatMap(({ result }) => (result ? [result.outcome] : []));
  const all = whole ? [null, ...outcomes] : outcomes;
  return all.map((outcome) => cannot(outcome, reason, notRun));
}

function cannot(outcome: string | null, reason: string, ran: Ran): NewCertificate {
  return { outcome, verdict: 'cannot', reason: cut(reason, bounds.reasonLength), ...ran, ...nothingMade };
}

interface Made {
  readonly result: RunResult;
  readonly starts: ReadonlyMap<number, Start>;
}

/** Compares what a part has made with what is stored, result by result, and the output of a whole run. */
export async function certify(
  queue: ReplayQueue,
  held: HeldPart,
  records: readonly ReplayedRecord[],
  made: Made,
): Promise<NewCertificate[]> {
  const answers = new Map(records.map((record) => [record.sourceId, answerOf(record, made)]));
  const compared = await compareRows(queue, held, records, { made, answers });
  const certificates = compared.map(({ record, comparison }) =>
    conclude(comparison, answers.get(record.sourceId)),
  );
  const bounded = boundExamples(certificates);
  return held.whole ? [certifyOutput(held, made, [...answers.values()]), ...bounded] : bounded;
}

/** The first results that differ name their values; of very many, the later ones name their columns only. */
function boundExamples(certificates: readonly NewCertificate[]): NewCertificate[] {
  let left = mostExamples;
  return certificates.map((certificate) => {
    const examples = certificate.examples.slice(0, left);
    left -= examples.length;
    return { ...certificate, examples };
  });
}

interface RecordAnswer {
  readonly verdict: Verdict;
  readonly ran: Ran;
  /** Whether the code was run to its end over the record. */
  readonly isOwn: boolean;
}

function answerOf({ sourceId }: ReplayedRecord, { result, starts }: Made): RecordAnswer {
  const reason = result.reason ?? 'the hook gave no answer';
  const verdict = result.output?.judgement.verdicts.get(sourceId) ?? { status: 'errored', reason };
  const start = starts.get(result.answeredBy.get(sourceId) ?? result.attempt ?? starts.size);
  const isOwn = verdict.status !== 'errored' || answering.includes(start?.end?.ending ?? '');
  return { verdict, ran: ranOf(start), isOwn };
}

function ranOf(start: Start | undefined): Ran {
  if (!start?.end) return notRun;
  const { resolvedDigest, platformDigest } = start.end;
  return { engine: start.engine, architecture: hostArchitecture, resolvedDigest, platformDigest };
}

interface Compared {
  readonly record: ReplayedRecord;
  readonly comparison: RowComparison;
}

async function compareRows(
  queue: ReplayQueue,
  held: HeldPart,
  records: readonly ReplayedRecord[],
  { made, answers }: { readonly made: Made; readonly answers: ReadonlyMap<string, RecordAnswer> },
): Promise<Compared[]> {
  const compared = records.flatMap((record) => {
    if (!record.result) return [];
    const comparison = new RowComparison(held.hook, held.feature, record.result);
    const verdict = answers.get(record.sourceId)?.verdict;
    if (verdict) comparison.answer({ reason: null, ...verdict });
    return [{ record, comparison }];
  });
  const bySource = new Map(compared.map(({ record, comparison }) => [record.sourceId, comparison]));
  for await (const chunk of made.result.output?.rows({ rowsPerChunk: rowsAtOnce }) ?? []) {
    const stored = await storedOf(queue, held, rangesOf(chunk, bySource));
    const cells = await queue.madeRows(held, chunk);
    for (const [index, sourceId] of chunk.recordIds.entries()) {
      const comparison = bySource.get(sourceId);
      comparison?.add(stored(comparison.result.outcome, chunk.ordinals[index] ?? 0), cells[index]);
    }
  }
  for (const { comparison } of compared) {
    for (let range = comparison.left(rowsAtOnce); range; range = comparison.left(rowsAtOnce)) {
      const stored = await storedOf(queue, held, [range]);
      for (let ordinal = range.first; ordinal <= range.last; ordinal += 1) {
        comparison.add(stored(range.outcome, ordinal), undefined);
      }
    }
  }
  return compared;
}

function rangesOf({ recordIds, ordinals }: RowChunk, bySource: ReadonlyMap<string, RowComparison>) {
  const ranges = new Map<string, { outcome: string; first: number; last: number }>();
  for (const [index, sourceId] of recordIds.entries()) {
    const outcome = bySource.get(sourceId)?.result.outcome;
    const ordinal = ordinals[index] ?? 0;
    if (outcome === undefined) continue;
    const range = ranges.get(outcome);
    if (range) range.last = ordinal;
    else ranges.set(outcome, { outcome, first: ordinal, last: ordinal });
  }
  return [...ranges.values()];
}

async function storedOf(queue: ReplayQueue, held: HeldPart, ranges: ReturnType<typeof rangesOf>) {
  const key = (outcome: string, ordinal: number) => `${outcome} ${ordinal}`;
  const rows = new Map<string, StoredRow>();
  for (const row of await queue.storedRows(held, ranges)) rows.set(key(row.outcome, row.ordinal), row);
  return (outcome: string, ordinal: number) => rows.get(key(outcome, ordinal));
}

function conclude(comparison: RowComparison, answer: RecordAnswer | undefined): NewCertificate {
  const { outcome, status, reason } = comparison.result;
  if (!answer?.isOwn) {
    const why = answer && 'reason' in answer.verdict ? answer.verdict.reason : 'it was not run';
    return cannot(outcome, why, answer?.ran ?? notRun);
  }
  const { verdict, ran } = answer;
  const { storedDigest, madeDigest, ...differences } = comparison.conclude();
  const digests = { outcome, ...ran, storedDigest, madeDigest };
  if (storedDigest === madeDigest) {
    return { ...digests, verdict: 'identical', reason: null, differing: null, columns: [], examples: [] };
  }
  const madeReason = 'reason' in verdict ? verdict.reason : null;
  if (verdict.status === status && madeReason === reason) {
    return { ...digests, verdict: 'differs', reason: null, ...differences };
  }
  const why = cut(`${saidOf(status, reason)} → ${saidOf(verdict.status, madeReason)}`, bounds.reasonLength);
  return { ...digests, verdict: 'differs', reason: why, differing: null, columns: [], examples: [] };
}

function saidOf(status: string, reason: string | null): string {
  return reason === null ? status : `${status} (${reason})`;
}

/** The bytes of the output, of a run that is replayed as a whole. */
function certifyOutput(
  { outputDigest: storedDigest }: HeldPart,
  { result, starts }: Made,
  answers: readonly RecordAnswer[],
): NewCertificate {
  const broken = answers.find(({ isOwn }) => !isOwn);
  if (broken) {
    const why = 'reason' in broken.verdict ? broken.verdict.reason : 'it was not run';
    return cannot(null, why, broken.ran);
  }
  const madeDigest = result.output?.judgement.outputDigest ?? null;
  const ran = ranOf(starts.get(result.attempt ?? starts.size));
  const verdict = madeDigest === storedDigest ? 'identical' : 'differs';
  const reason = madeDigest === null ? (result.reason ?? 'the hook left no output') : null;
  return { ...nothingMade, outcome: null, verdict, reason, ...ran, storedDigest, madeDigest };
}
