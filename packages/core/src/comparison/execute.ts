import { asOsaError, OsaError } from '../error.ts';
import { normaliseLimits } from '../hook/release.ts';
import { describeEnding, withAnswer } from '../run/attempt.ts';
import type { Execution } from '../run/execution.ts';
import type { Verdict } from '../run/output/judgement.ts';
import { readOutput } from '../run/output/read.ts';
import type { Ended } from '../run/runner.ts';
import type { ComparedRecord, ComparedRow, ComparisonQueue, HeldComparison } from './comparisons.ts';
import { Measure } from './measure.ts';

/** Records of one start of the code. */
const atOnce = 500;
/** And of their rows, which are in memory together. */
const mostRows = 200_000;

/** Takes one comparison, if there is one, and makes its report. A release is run as in a batch; nothing of it is stored. */
export async function executeComparison(execution: Execution, stop: AbortSignal): Promise<boolean> {
  const queue = execution.comparisons;
  if (!queue || stop.aborted) return false;
  const runtimes = execution.runners.flatMap((runner) => runner.runtimes);
  const { worker, log } = execution;
  const held = await queue.claim({ ...worker, runtimes });
  if (!held) return false;
  log('comparison.claimed', { comparison: held.id, hook: held.hook, version: held.version });
  const lost = new AbortController();
  const renewal = setInterval(() => {
    queue
      .renew(held, worker.leaseMs)
      .then((isHeld) => isHeld || lost.abort(new OsaError('lease_lost', `comparison ${held.id} is lost`)))
      .catch((error: unknown) => log('comparison.not_renewed', { comparison: held.id, error }));
  }, worker.leaseMs / 3);
  try {
    const report = await measured(execution, queue, held, AbortSignal.any([stop, lost.signal]));
    await queue.finish(held, { report });
  } catch (error) {
    if (stop.aborted) await queue.giveBack(held);
    else if (!lost.signal.aborted) await fail(execution, queue, held, error);
  } finally {
    clearInterval(renewal);
  }
  return true;
}

async function fail(
  { log }: Execution,
  queue: ComparisonQueue,
  held: HeldComparison,
  error: unknown,
): Promise<void> {
  const known = asOsaError(error);
  log('comparison.failed', { comparison: held.id, error });
  const problem =
    known && known.code !== 'internal' ? withAnswer(known) : "internal error; the daemon's log says more";
  await queue.finish(held, { problem });
}

async function measured(
  execution: Execution,
  queue: ComparisonQueue,
  held: HeldComparison,
  signal: AbortSignal,
) {
  const measure = new Measure(held.feature, held);
  const groups = await queue.records(held);
  for (const ids of groups.flatMap(parts)) {
    const records = await queue.read(held, ids);
    const answers = await run(execution, queue, held, { records, signal });
    for (const record of records) {
      const verdict = answers.verdicts.get(record.sourceId) ?? answers.otherwise;
      measure.add(record, verdict, answers.rows.get(record.sourceId) ?? []);
    }
  }
  return measure.report();
}

function parts(ids: readonly string[]): (readonly string[])[] {
  return Array.from({ length: Math.ceil(ids.length / atOnce) }, (_, n) =>
    ids.slice(n * atOnce, (n + 1) * atOnce),
  );
}

interface Answers {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly rows: ReadonlyMap<string, readonly ComparedRow[]>;
  /** The verdict on a record without an answer. */
  readonly otherwise: Verdict;
}

/** One start over records of one convention: their sources tell them apart. */
async function run(
  execution: Execution,
  queue: ComparisonQueue,
  held: HeldComparison,
  { records, signal }: { readonly records: readonly ComparedRecord[]; readonly signal: AbortSignal },
): Promise<Answers> {
  const runner = execution.runners.find(({ runtimes }) => runtimes.includes(held.release.runtime));
  if (!runner) throw new OsaError('unavailable', `no runner here starts ${held.release.runtime}s`);
  const limits = normaliseLimits(held.release.limits);
  const task = {
    id: `${held.id}-${held.fence}-${crypto.randomUUID().slice(0, 8)}`,
    workspace: execution.workspace,
    hook: held.hook,
    release: { ...held.release, limits },
    memoryBytes: Math.min(limits.memory_bytes, execution.maxMemoryBytes),
    records: records.map(({ sourceId, metadata, files = [] }) => ({ id: sourceId, metadata, files })),
    linkFile: execution.files?.link,
  };
  const ended = await runner.run(task, signal);
  try {
    return await read(execution, queue, held, { ended, records, signal });
  } finally {
    await ended.dispose();
  }
}

async function read(
  { threads }: Execution,
  queue: ComparisonQueue,
  { hook, feature, release }: HeldComparison,
  { ended, records, signal }: { ended: Ended; records: readonly ComparedRecord[]; signal: AbortSignal },
): Promise<Answers> {
  signal.throwIfAborted();
  const nothing = { verdicts: new Map<string, Verdict>(), rows: new Map<string, ComparedRow[]>() };
  const errored = (reason: string): Answers => ({ ...nothing, otherwise: { status: 'errored', reason } });
  if (ended.resolvedDigest !== release.digest) return errored(`another digest ran: ${ended.resolvedDigest}`);
  const { fact, reason } = describeEnding(ended, release.limits.timeout_seconds);
  if (fact !== 'exited') return errored(reason);
  const recordIds = records.map(({ sourceId }) => sourceId);
  const output = await readOutput({
    directory: ended.outputDirectory,
    hook,
    contract: feature,
    recordIds,
    threads,
    signal,
    limits: { rowsPerBatch: mostRows },
  });
  const { failure, verdicts } = output.judgement;
  if (failure !== null) return errored(failure);
  const rows = new Map<string, ComparedRow[]>();
  for await (const chunk of output.rows({ rowsPerChunk: 1_000 })) {
    const values = await queue.asStored(feature, chunk);
    for (const [index, id] of chunk.recordIds.entries()) {
      const own = rows.get(id) ?? [];
      own.push({ values: values[index] ?? {} });
      rows.set(id, own);
    }
  }
  return { verdicts, rows, otherwise: { status: 'errored', reason: 'the hook gave no answer' } };
}
