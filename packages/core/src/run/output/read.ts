import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import { type FeatureContract, reservedColumns } from '../../hook/hook.ts';
import { bounds } from '../../limits.ts';
import type { Judged, OutputLimits, OutputReader, RowChunk, Verdict } from './judgement.ts';
import type { RawChunk } from './rows.ts';
import { converse, type OutputThreads } from './threads.ts';

export interface OutputOptions {
  /** Where the output files stand; nothing may write there any more. */
  readonly directory: string;
  /** The hook's name, for messages. */
  readonly hook: string;
  readonly contract: FeatureContract;
  /** The ids that the hook was given, each once. */
  readonly recordIds: readonly string[];
  readonly signal?: AbortSignal | undefined;
  readonly threads: OutputThreads;
  readonly limits?: Partial<OutputLimits> | undefined;
}

/**
 * Reads `features.jsonl`, `rejections.jsonl`, `errors.jsonl` and `progress.jsonl` (a file that is not there has no
 * lines) in a thread of its own and judges every record. The judgement holds the hook's faults; they are never an
 * exception.
 *
 * @throws OsaError `unavailable` when the files cannot be read at the moment, `interrupted` or the signal's own
 * reason when it aborts, `internal` when the thread dies. `rows` throws the same, and `internal` when the files are
 * not what was judged.
 */
export async function readOutput(options: OutputOptions): Promise<OutputReader> {
  const { directory, hook, contract, recordIds, threads, signal } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const rules = { hook, contract, reserved: reservedColumns, rowsPerRecord: limits.rowsPerRecord };
  const task = { directory, rules, limits, recordIds };
  const [{ plan, ...judged }] = await Promise.all([
    judge(converse(threads, { kind: 'judge', task }, signal)),
    failpoint('parse.mid'),
  ]);
  const nameOf = (index: number) => recordIds[index] ?? '';
  return {
    judgement: { ...judged, verdicts: byRecord(recordIds, judged), open: judged.open.map(nameOf) },
    async *rows({ rowsPerChunk }) {
      if (judged.rowCount === 0) return;
      const rowsTask = { directory, rules, limits, plan, rowsPerChunk };
      for await (const reply of converse(threads, { kind: 'rows', task: rowsTask }, signal)) {
        if (reply.kind === 'chunk') yield namedRows(recordIds, reply.chunk);
      }
    },
  };
}

const defaultLimits: OutputLimits = {
  outputBytes: bounds.outputBytes,
  lineBytes: bounds.lineBytes,
  rowsPerRecord: bounds.rowsPerRecord,
  rowsPerBatch: bounds.rowsPerBatch,
};

async function judge(conversation: ReturnType<typeof converse>): Promise<Judged> {
  for await (const reply of conversation) {
    if (reply.kind === 'judged') return reply.judged;
  }
  throw new OsaError('internal', 'the thread that read the output of a hook gave no judgement');
}

function byRecord(
  recordIds: readonly string[],
  { verdicts }: Pick<Judged, 'verdicts'>,
): Map<string, Verdict> {
  const byId = new Map<string, Verdict>();
  for (const [index, id] of recordIds.entries()) {
    const verdict = verdicts[index];
    if (verdict === undefined || byId.has(id)) {
      throw new OsaError('internal', 'the ids of a batch must be different from each other');
    }
    byId.set(id, verdict);
  }
  return byId;
}

function namedRows(recordIds: readonly string[], { records, ...chunk }: RawChunk): RowChunk {
  return { ...chunk, recordIds: records.map((index) => recordIds[index] ?? '') };
}
