import type { Answer } from '../api/index.ts';

/** The stored state of the delivery of events to another service. */
export interface Deliveries {
  /**
   * Takes or renews the lease for `leaseMs`; undefined while another daemon has it. A consumer that is new begins with the
   * events from now on.
   */
  hold(
    consumer: string,
    holder: string,
    leaseMs: number,
  ): Promise<{ seq: number; attempts: number } | undefined>;
  /** All events up to `seq` are delivered or given up. */
  advance(consumer: string, holder: string, seq: number): Promise<void>;
  failed(consumer: string, holder: string, error: string): Promise<void>;
  release(consumer: string, holder: string): Promise<void>;
  bury(letter: { consumer: string; seq: number; document: object; error: string }): Promise<void>;
  dead(limit: number): Promise<Answer<'deadEvents'>>;
  /** The ids of the runs of a batch. */
  runsOf(batch: string): Promise<string[]>;
  /** The ids of runs whose code has started and that have not ended, `limit` at most. */
  startedRuns(limit: number): Promise<string[]>;
}
