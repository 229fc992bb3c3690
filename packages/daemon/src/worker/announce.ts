import type { Database } from '@osa/core/postgres/connection/connect';
import { announceWorker, withdrawWorker } from '@osa/core/postgres/queue/workers';
import type { Execution } from '@osa/core/run/execution';
import type { Logger } from 'pino';

/** Six tellings may be lost before the worker counts as gone. */
const everyMs = 10_000;

/** Tells every few seconds that this worker runs, and what it can start, until it is disposed. */
export async function announce(
  { worker, runners }: Pick<Execution, 'worker' | 'runners'>,
  { database, log }: { readonly database: Database; readonly log: Logger },
): Promise<AsyncDisposable> {
  const running = { name: worker.name, runtimes: runners.flatMap((runner) => runner.runtimes) };
  const tell = () =>
    announceWorker(database, running).catch((error: unknown) => {
      log.debug({ err: error }, 'cannot tell that the worker runs; next try in seconds');
    });
  await tell();
  const timer = setInterval(() => void tell(), everyMs).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await withdrawWorker(database, worker.name).catch((error: unknown) => {
        log.debug({ err: error }, 'cannot tell that the worker ends; it counts as gone in a minute');
      });
    },
  };
}
