import { bounds } from '../limits.ts';
import type { HookExecution } from './execution.ts';

/** The log of a running attempt, stored now and then, so that it can be followed and is not lost with its worker. */
export interface LiveLog extends AsyncDisposable {
  append(chunk: Uint8Array): void;
}

/** Milliseconds between two writes, and before the first: what ends sooner is stored at its end. */
const everyMs = 2_000;

/** Stores the end of the log of an attempt while it grows; a write that fails is nothing but told. */
export function liveLog(
  { queue, log }: Pick<HookExecution, 'queue' | 'log'>,
  attempt: { readonly run: string; readonly n: number },
): LiveLog {
  let tail: Buffer = Buffer.alloc(0);
  let bytes = 0;
  let stored = 0;
  let writing: Promise<void> | undefined;
  const store = () => {
    if (bytes === stored || writing) return;
    const length = bytes;
    writing = queue
      .keepLog(attempt, { tail, bytes: length })
      .then(
        () => {
          stored = length;
        },
        (error: unknown) => log('attempt.log_not_kept', { run: attempt.run, error }),
      )
      .finally(() => {
        writing = undefined;
      });
  };
  const timer = setInterval(store, everyMs);
  return {
    append(chunk) {
      bytes += chunk.length;
      tail = Buffer.concat([tail, chunk]).subarray(-bounds.liveLogBytes);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await writing;
    },
  };
}
