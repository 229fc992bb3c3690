import type { ComparisonQueue } from '../recompute/comparison/comparisons.ts';
import type { ReplayQueue } from '../recompute/replay/replays.ts';
import type { FileStore } from '../storage/index.ts';
import type { OutputThreads } from './output/threads.ts';
import type { BatchQueue, Claim } from './queue.ts';
import type { Runner } from './runner.ts';
import type { HookSlots } from './slots.ts';

/** The parts that a worker runs batches with. */
export interface Execution {
  readonly queue: BatchQueue;
  /** Comparisons of releases, which run beside batches. */
  readonly comparisons?: ComparisonQueue;
  /** Replays, which run beside batches. */
  readonly replays?: ReplayQueue;
  readonly runners: readonly Runner[];
  readonly worker: { readonly name: string; readonly leaseMs: number };
  readonly slots: HookSlots;
  /** The batches that are run here, each with what makes sure of its lease at once. */
  readonly held: Map<string, () => void>;
  /** The threads that read output. */
  readonly threads: OutputThreads;
  /** Where the files of records are; a record with files needs it. */
  readonly files?: Pick<FileStore, 'link'>;
  /** Whether the daemon is ending, and perhaps its machine, which then ends hooks too. */
  readonly isEnding?: () => boolean;
  /** The directory below which attempts have theirs. */
  readonly workspace: string;
  /** The most memory that the machine gives one attempt. */
  readonly maxMemoryBytes: number;
  /** Called with what a person may want to know; never with a record's content. */
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void;
}

/** The parts that run one hook. The queue decides where its attempts are stored, if they are. */
export type HookExecution = Omit<Execution, 'queue'> & {
  readonly queue: Pick<BatchQueue, 'startAttempt' | 'endAttempt' | 'keepLog'>;
};

/** The part of a claim that a hook is run over. */
export type HookClaim = Pick<Claim, 'batch' | 'fence' | 'records'>;
