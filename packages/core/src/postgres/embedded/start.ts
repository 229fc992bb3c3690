import { setTimeout as sleep } from 'node:timers/promises';
import { OsaError } from '../../error.ts';
import { logSize, logTail } from './log.ts';
import type { Places } from './places.ts';
import { discardForeignPidFile, findServer, launch, readPidFile, type Server } from './server.ts';

export interface ServerOptions {
  readonly places: Places;
  /** The directory with `bin`, `lib` and `share`. */
  readonly binaries: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

export const startTimeoutMs = 30_000;
const pollMs = 20;
const retryMs = 250;

/**
 * A server that accepts connections: the one that runs on the data already, else one that is started.
 *
 * @throws OsaError `unavailable` when it ends with an error, or is not ready within 30 s
 */
export async function startOrAdopt(options: ServerOptions): Promise<Server> {
  const { places, log } = options;
  const deadline = performance.now() + startTimeoutMs;
  const found = await findServer(places.data);
  if (found !== undefined && (await becomesReady(found, places, deadline))) {
    log(`adopted PostgreSQL (process ${found.pid}), which runs on ${places.data}`);
    return found;
  }
  const server = await startUntilReady(options, deadline);
  log(`started PostgreSQL (process ${server.pid}) on ${places.data}`);
  return server;
}

/** Starts the server and returns at once. */
export async function start({ places, binaries, settings }: ServerOptions): Promise<Server> {
  await discardForeignPidFile(places.data);
  return launch(places, binaries, settings);
}

/**
 * Whether the server comes to accept connections; false when it ends first. A server that is late is left
 * running, since it may be replaying a long log after a crash, which stopping it would only begin again.
 *
 * @throws OsaError `unavailable` at the deadline, in the time of `performance.now()`
 */
export async function becomesReady(server: Server, places: Places, deadline: number): Promise<boolean> {
  let ended = false;
  void server.ended.then(() => {
    ended = true;
  });
  let status = '';
  while (!ended && performance.now() < deadline) {
    const file = await readPidFile(places.data);
    status = file?.pid === server.pid ? file.status : '';
    if (status === 'ready' && !ended) {
      return true;
    }
    await sleep(pollMs);
  }
  if (!ended) {
    throw new OsaError(
      'unavailable',
      `The embedded PostgreSQL (process ${server.pid}) was not ready in time; its state is "${status}". ` +
        `It is left running and may be recovering: see ${places.log}, and start again`,
      { details: { pid: server.pid, status, log: places.log } },
    );
  }
  return false;
}

/**
 * After a crash the server refuses to start while the last processes of the dead one hold its shared memory.
 * They leave by themselves, so a start that found a pid file is tried again until the deadline.
 */
async function startUntilReady(options: ServerOptions, deadline: number): Promise<Server> {
  const { places } = options;
  const afterCrash = (await readPidFile(places.data)) !== undefined;
  for (;;) {
    const printedBefore = await logSize(places.log);
    const server = await start(options);
    if (await becomesReady(server, places, deadline)) {
      return server;
    }
    if (!afterCrash || performance.now() > deadline) {
      const output = await logTail(places.log, printedBefore);
      throw new OsaError('unavailable', `The embedded PostgreSQL does not start: ${output}`, {
        details: { output, log: places.log },
      });
    }
    await sleep(retryMs);
  }
}
