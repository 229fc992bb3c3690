import { asOsaError, OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import { digestInput } from '../../run/execute.ts';
import type { Execution } from '../../run/execution.ts';
import { holdLease } from '../../run/lease.ts';
import type { Verdict } from '../../run/output/judgement.ts';
import type { RunResult } from '../../run/queue.ts';
import type { Ended } from '../../run/runner.ts';
import { runAgain } from '../replay/again.ts';
import {
  type ComparedRecord,
  type ComparedRow,
  type ComparisonQueue,
  type HeldComparison,
  mostBeginnings,
} from './comparisons.ts';
import { Measure } from './measure.ts';

/** Records that are in memory together, and given to one start of the code at most. */
const atOnce = 500;
/** And of their rows. */
const mostRows = 200_000;

/**
 * Takes one comparison, if there is one, and makes its report. The release is run as in a batch; nothing of it is
 * stored. With a database, an engine or a registry away, the lease runs out, and the comparison is begun again.
 */
export async function executeComparison(execution: Execution, stop: AbortSignal): Promise<boolean> {
  const queue = execution.comparisons;
  if (!queue || stop.aborted) return false;
  const runtimes = execution.runners.flatMap((runner) => runner.runtimes);
  const { worker, log } = execution;
  const held = await queue.claim({ ...worker, runtimes });
  if (!held) return false;
  log('comparison.claimed', namesOf(held));
  await failpoint('comparison.claimed');
  await using lease = holdLease({ ...execution, queue }, held, stop);
  try {
    const report = await measured(execution, queue, held, lease.signal);
    await lease.stopRenewing();
    lease.signal.throwIfAborted();
    await failpoint('comparison.measured');
    await queue.finish(held, { report });
  } catch (error) {
    await lease.stopRenewing();
    await letGo(execution, queue, held, { error, stop });
  }
  return true;
}

function namesOf({ batch: comparison, fence, hook, version }: HeldComparison) {
  return { comparison, fence, hook, version };
}

async function letGo(
  { log }: Execution,
  queue: ComparisonQueue,
  held: HeldComparison,
  { error, stop }: { readonly error: unknown; readonly stop: AbortSignal },
): Promise<void> {
  const known = asOsaError(error);
  const code = known?.code ?? 'internal';
  log('comparison.let_go', { ...namesOf(held), stopping: stop.aborted, code, error });
  if (code === 'lease_lost') return;
  const problem =
    !known || code === 'internal' ? "internal error; the daemon's log says more" : known.message;
  const tell = async () => {
    if (stop.aborted) return queue.giveBack(held);
    if (code !== 'unavailable') return queue.finish(held, { problem });
    const begun = Number(held.fence);
    if (begun >= mostBeginnings)
      await queue.finish(held, { problem: `${problem}; given up after ${begun} tries` });
  };
  await tell().catch((cause: unknown) =>
    log('comparison.lease_runs_out', { ...namesOf(held), error: cause }),
  );
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

/** Records of one convention: their sources tell them apart. */
async function run(
  execution: Execution,
  queue: ComparisonQueue,
  held: HeldComparison,
  { records, signal }: { readonly records: readonly ComparedRecord[]; readonly signal: AbortSignal },
): Promise<Answers> {
  const { runtime } = held.release;
  if (!execution.runners.some(({ runtimes }) => runtimes.includes(runtime)))
    throw new OsaError('unavailable', `no runner here starts ${runtime}s`);
  const endings: Ended[] = [];
  try {
    const inputDigest = digestInput({ records });
    const { result } = await runAgain(execution, held, records, { signal, endings, inputDigest });
    signal.throwIfAborted();
    if (!('action' in result)) return await read(queue, held, result);
    throw new OsaError(result.action === 'retry_later' ? 'unavailable' : 'conflict', result.reason);
  } finally {
    for (const ending of endings) await ending.dispose();
  }
}

async function read(
  queue: ComparisonQueue,
  { feature }: HeldComparison,
  { output, reason }: RunResult,
): Promise<Answers> {
  const otherwise = { status: 'errored', reason: reason ?? 'the hook gave no answer' } as const;
  const rows = new Map<string, ComparedRow[]>();
  if (!output) return { verdicts: new Map(), rows, otherwise };
  const { verdicts, rowCount } = output.judgement;
  if (rowCount > mostRows) {
    const tooMany = `${rowCount} rows of ${verdicts.size} records are more than a comparison holds, which is ${mostRows}`;
    return { verdicts: new Map(), rows, otherwise: { status: 'errored', reason: tooMany } };
  }
  for await (const chunk of output.rows({ rowsPerChunk: 1_000 })) {
    const values = await queue.asStored(feature, chunk);
    for (const [index, id] of chunk.recordIds.entries()) {
      const own = rows.get(id) ?? [];
      own.push({ values: values[index] ?? {} });
      rows.set(id, own);
    }
  }
  return { verdicts, rows, otherwise };
}
