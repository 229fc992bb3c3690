import { setTimeout as sleep } from 'node:timers/promises';
import { OsaError } from '../../error.ts';
import type { Server } from './server.ts';
import { becomesReady, type ServerOptions, start, startTimeoutMs } from './start.ts';

/** How a server ends: `fast` after a checkpoint, `immediate` as in a crash. */
export type StopMode = 'fast' | 'immediate';

export interface Supervisor {
  /** The server that runs, or ran last. */
  current(): Server;
  stop(mode: StopMode): Promise<void>;
  restart(mode: StopMode): Promise<void>;
}

interface Watch {
  readonly options: ServerOptions;
  readonly stopping: AbortSignal;
  server: Server;
}

const restartDelayMs = 250;
const stopTimeoutMs = 10_000;
const pollMs = 20;

/** Starts the server again whenever it ends by itself, until it is stopped. */
export function supervise(options: ServerOptions, first: Server): Supervisor {
  const stopping = new AbortController();
  const watch: Watch = { options, stopping: stopping.signal, server: first };
  const watching = keepRunning(watch);
  return {
    current: () => watch.server,
    async stop(mode) {
      stopping.abort();
      await watching;
      await end(watch.server, mode);
    },
    async restart(mode) {
      const before = watch.server;
      await end(before, mode);
      await untilReplaced(watch, before);
    },
  };
}

/** Ends when `stopping` is set, and then starts nothing more. */
async function keepRunning(watch: Watch): Promise<void> {
  const { options, stopping } = watch;
  const stopped = new Promise<string>((resolve) => {
    stopping.addEventListener('abort', () => resolve('stopped'), { once: true });
  });
  while (!stopping.aborted) {
    const how = await Promise.race([watch.server.ended, stopped]);
    if (stopping.aborted) return;
    options.log(`PostgreSQL (process ${watch.server.pid}) has ended (${how}); starting it again`);
    await Promise.race([sleep(restartDelayMs, undefined, { ref: false }), stopped]);
    if (!stopping.aborted) await startAgain(watch);
  }
}

/** A failure leaves the ended server in place, so that the watch comes back here after the next delay. */
async function startAgain(watch: Watch): Promise<void> {
  const { log } = watch.options;
  try {
    watch.server = await start(watch.options);
    log(`started PostgreSQL again (process ${watch.server.pid})`);
  } catch (error) {
    log(`PostgreSQL could not be started again: ${error}`);
  }
}

async function untilReplaced(watch: Watch, before: Server): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  while (!watch.stopping.aborted && performance.now() < deadline) {
    const { server } = watch;
    if (server !== before && (await becomesReady(server, watch.options.places, deadline))) {
      return;
    }
    await sleep(pollMs);
  }
  throw new OsaError(
    'unavailable',
    'The embedded PostgreSQL did not come back after a restart; see its log',
    {
      details: { log: watch.options.places.log },
    },
  );
}

async function end(server: Server, mode: StopMode): Promise<void> {
  for (const name of mode === 'fast' ? (['SIGINT', 'SIGQUIT'] as const) : (['SIGQUIT'] as const)) {
    await server.signal(name);
    if (await endsInTime(server)) {
      return;
    }
  }
  throw new OsaError('unavailable', `The embedded PostgreSQL (process ${server.pid}) does not end; kill it`, {
    details: { pid: server.pid },
  });
}

/** The timer holds the event loop: nothing else may be left in it that waits for the server. */
async function endsInTime(server: Server): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(stopTimeoutMs, false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([server.ended.then(() => true), late]);
  timer.abort();
  return inTime;
}
