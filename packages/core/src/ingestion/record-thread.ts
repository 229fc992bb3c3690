import { converse, type OutputThreads } from '../run/output/threads.ts';
import type { IncomingRecord } from './ingestions.ts';
import type { RecordsTask } from './record-chunks.ts';

/**
 * `readRecords` in a thread of its own: a record may take a second to parse and to check.
 *
 * @throws as `readRecords`, and OsaError `internal` when the thread dies
 */
export async function* recordsInThread(
  threads: OutputThreads,
  task: RecordsTask,
): AsyncGenerator<IncomingRecord> {
  for await (const reply of converse(threads, { kind: 'records', task }, undefined)) {
    if (reply.kind === 'records') yield* reply.records;
  }
}
