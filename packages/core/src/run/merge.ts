import { createHash } from 'node:crypto';
import type { Judgement, OutputReader, Verdict } from './output/judgement.ts';
import type { RunResult } from './queue.ts';

/** The answers of one attempt. */
export interface Answers {
  readonly attempt: number;
  readonly output: OutputReader;
  /** Whether its word on every record that it was given counts, or only its whole answers do. */
  readonly isFinal: boolean;
}

/** A record that no attempt answered for: the attempt that ended with it, and why. */
export interface Unanswered {
  readonly attempt: number;
  readonly reason: string;
}

/**
 * The answers of the attempts of one run as one output. Each attempt was given only records that those before it left
 * open, so no record is answered by two. Records in `unanswered` are errored, each with its own reason.
 */
export function mergeAnswers(
  parts: readonly Answers[],
  unanswered: ReadonlyMap<string, Unanswered> = new Map(),
): Pick<RunResult, 'output' | 'answeredBy'> {
  const [only] = parts;
  if (only === undefined) return { output: null, answeredBy: attemptsOf(unanswered) };
  if (parts.length === 1 && only.isFinal && unanswered.size === 0) {
    return { output: only.output, answeredBy: new Map() };
  }
  const verdicts = new Map<string, Verdict>();
  const answeredBy = attemptsOf(unanswered);
  for (const [id, { reason }] of unanswered) verdicts.set(id, { status: 'errored', reason });
  for (const { attempt, output, isFinal } of parts) {
    const open = new Set(isFinal ? [] : output.judgement.open);
    for (const [id, verdict] of output.judgement.verdicts) {
      if (open.has(id)) continue;
      verdicts.set(id, verdict);
      answeredBy.set(id, attempt);
    }
  }
  return {
    output: { judgement: mergeJudgements(parts, verdicts), rows: (options) => rowsOf(parts, options) },
    answeredBy,
  };
}

function attemptsOf(unanswered: ReadonlyMap<string, Unanswered>): Map<string, number> {
  return new Map([...unanswered].map(([id, { attempt }]) => [id, attempt]));
}

function mergeJudgements(parts: readonly Answers[], verdicts: ReadonlyMap<string, Verdict>): Judgement {
  const judgements = parts.map((part) => part.output.judgement);
  const last = judgements.at(-1);
  const sum = (count: (judgement: Judgement) => number) =>
    judgements.reduce((total, judgement) => total + count(judgement), 0);
  return {
    verdicts,
    open: last?.open ?? [],
    outputDigest: digestOf(judgements),
    rowCount: sum((judgement) => judgement.rowCount),
    strayLines: sum((judgement) => judgement.strayLines),
    strayExamples: judgements.flatMap((judgement) => judgement.strayExamples),
    failure: last?.failure ?? null,
  };
}

/** SHA-256, hex, over the digests of the attempts' outputs, a line each; of a single one, its own. */
function digestOf(judgements: readonly Judgement[]): string {
  const [only] = judgements;
  if (judgements.length === 1 && only) return only.outputDigest;
  const hash = createHash('sha256');
  for (const { outputDigest } of judgements) hash.update(`${outputDigest}\n`);
  return hash.digest('hex');
}

async function* rowsOf(parts: readonly Answers[], options: { readonly rowsPerChunk: number }) {
  for (const { output } of parts) yield* output.rows(options);
}
