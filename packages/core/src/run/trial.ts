import { readArrayLiteral } from '../array-literal.ts';
import { asOsaError, OsaError } from '../error.ts';
import type { FeatureContract } from '../hook/hook.ts';
import { normaliseLimits, type ReleaseContent } from '../hook/release.ts';
import { parseExactJson } from '../json/exact.ts';
import { describeEnding, withAnswer } from './attempt.ts';
import type { Verdict } from './output/judgement.ts';
import { readOutput } from './output/read.ts';
import type { OutputThreads } from './output/threads.ts';
import type { Ended, Ending, InputRecord, Runner, Task } from './runner.ts';

/** A hook tried on a few records, without a server, by the runner and the checks that a daemon uses. */
export interface Trial {
  readonly hook: string;
  readonly contract: FeatureContract;
  readonly release: Omit<ReleaseContent, 'source_ref'>;
  readonly records: readonly InputRecord[];
  /** Gives a file of a record a further name. */
  readonly linkFile?: Task['linkFile'];
  readonly runner: Runner;
  readonly workspace: string;
  readonly threads: OutputThreads;
  /** The most rows. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

export interface TrialResult {
  readonly ending: Ending;
  readonly exitCode: number | null;
  /** Why the hook broke its contract as a whole; null when it kept it. */
  readonly failure: string | null;
  readonly milliseconds: number;
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly rowCount: number;
  /** The first rows, by column. */
  readonly rows: readonly { readonly id: string; readonly values: Readonly<Record<string, unknown>> }[];
  /** Lines that are about no record, a few of them. */
  readonly strays: readonly string[];
  readonly log: Uint8Array;
}

/** @throws OsaError of the runner, when the code cannot be started */
export async function tryHook(trial: Trial): Promise<TrialResult> {
  const limits = normaliseLimits(trial.release.limits);
  const { hook, runner, workspace, signal } = trial;
  // In the order of a batch, which the database sorts.
  const records = trial.records.toSorted((left, right) =>
    Buffer.compare(Buffer.from(left.id), Buffer.from(right.id)),
  );
  const release = { ...trial.release, limits };
  const started = performance.now();
  const task = {
    id: `trial-${crypto.randomUUID()}`,
    workspace,
    hook,
    release,
    memoryBytes: limits.memory_bytes,
    records,
    linkFile: trial.linkFile,
  };
  const ended = await runner.run(task, signal).catch((error: unknown) => {
    const known = asOsaError(error);
    throw known ? new OsaError(known.code, withAnswer(known), { field: known.field, cause: error }) : error;
  });
  try {
    const milliseconds = performance.now() - started;
    return { ...(await judge(trial, ended)), milliseconds };
  } finally {
    await ended.dispose();
    await runner.settle?.();
  }
}

async function judge(trial: Trial, ended: Ended): Promise<Omit<TrialResult, 'milliseconds'>> {
  const { ending, exitCode, outputDirectory: directory, log } = ended;
  if (ending === 'cancelled') throw new OsaError('interrupted', 'interrupted; the hook was stopped');
  const { fact, reason } = describeEnding(ended, trial.release.limits.timeout_seconds);
  const facts = { ending, exitCode, log };
  const nothing = { verdicts: new Map<string, Verdict>(), rowCount: 0, rows: [], strays: [] };
  if (fact !== 'exited') return { ...facts, ...nothing, failure: reason };
  const { hook, contract, records, threads, signal } = trial;
  const recordIds = records.map(({ id }) => id);
  const output = await readOutput({ directory, hook, contract, recordIds, threads, signal });
  const { failure, verdicts, rowCount, strayExamples: strays } = output.judgement;
  if (failure !== null) return { ...facts, ...nothing, strays, failure };
  return { ...facts, failure, verdicts, rowCount, strays, rows: await firstRows(trial, output) };
}

async function firstRows(
  { contract, limit }: Trial,
  output: Awaited<ReturnType<typeof readOutput>>,
): Promise<TrialResult['rows']> {
  const found: { id: string; values: Record<string, unknown> }[] = [];
  for await (const { recordIds, columns } of output.rows({ rowsPerChunk: 1_000 })) {
    const read = columns.map(readArrayLiteral);
    for (const [place, id] of recordIds.entries()) {
      if (found.length >= limit) return found;
      const values = contract.columns.map(({ name, json_type }, index) => [
        name,
        cellValue(read[index]?.[place] ?? null, json_type),
      ]);
      found.push({ id, values: Object.fromEntries(values) });
    }
  }
  return found;
}

/** The value as it would be read back: text for what is text, a double for a number, else JSON. */
function cellValue(text: string | null, jsonType: string): unknown {
  if (text === null || jsonType === 'string') return text;
  return jsonType === 'number' ? Number(text) : parseExactJson(text);
}
