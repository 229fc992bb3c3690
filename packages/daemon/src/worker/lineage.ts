import { setTimeout as pause } from 'node:timers/promises';
import { OsaError } from '@osa/core/error';
import type { Event } from '@osa/core/events/outbox';
import type { Store } from '@osa/core/store';
import { runEvents } from '@osa/core/trace/export/openlineage';
import type { Logger } from 'pino';

/** Delivery of the ends of runs to an OpenLineage endpoint, beside everything else: a batch never waits for it. */

export interface LineageTarget {
  readonly url: string;
  readonly apiKey: string | undefined;
}

export interface LineageOptions {
  readonly target: LineageTarget;
  readonly store: Store;
  readonly domain: string;
  /** Of this daemon; one at a time delivers. */
  readonly holder: string;
  readonly log: Logger;
  readonly timing?: Timing;
}

export interface Timing {
  readonly idleMs: number;
  readonly firstBackoffMs: number;
  readonly longestBackoffMs: number;
  readonly requestMs: number;
  /** An event that is older when it fails again is given up. */
  readonly oldestMs: number;
}

const usual: Timing = {
  idleMs: 1_000,
  firstBackoffMs: 500,
  longestBackoffMs: 60_000,
  requestMs: 10_000,
  oldestMs: 24 * 3_600_000,
};

const consumer = 'openlineage';
const leaseMs = 120_000;
/** The types of events that end runs. */
const endings = ['batch.finished', 'batch.failed'];
const pageEvents = 200;

/** Delivers until it is disposed of. Events come in order, each at least once. */
export function deliverLineage(options: LineageOptions): AsyncDisposable {
  const stop = new AbortController();
  const running = run(options, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await options.store.deliveries.release(consumer, options.holder).catch(() => undefined);
    },
  };
}

async function run(options: LineageOptions, stop: AbortSignal): Promise<void> {
  const { log, timing = usual } = options;
  let isTold = false;
  while (!stop.aborted) {
    let waitMs = timing.idleMs;
    try {
      const step = await deliverPage(options, timing, stop);
      if (step === 'more') waitMs = 0;
      if (isTold) log.info('the OpenLineage endpoint takes events again');
      isTold = false;
    } catch (error) {
      if (stop.aborted) return;
      const attempts = error instanceof Undelivered ? error.attempts : 1;
      waitMs = Math.min(timing.longestBackoffMs, timing.firstBackoffMs * 2 ** Math.min(attempts, 20));
      // Once for each time that it is away.
      if (!isTold) log.warn({ err: error }, 'cannot deliver events to the OpenLineage endpoint; they wait');
      isTold = true;
    }
    await pause(waitMs, undefined, { signal: stop }).catch(() => undefined);
  }
}

class Undelivered extends Error {
  readonly attempts: number;
  constructor(why: string, attempts: number) {
    super(why);
    this.attempts = attempts;
  }
}

async function deliverPage(
  options: LineageOptions,
  timing: Timing,
  stop: AbortSignal,
): Promise<'more' | 'none'> {
  const { store, holder } = options;
  const held = await store.deliveries.hold(consumer, holder, leaseMs);
  if (!held) return 'none';
  await store.events.last();
  const page = await store.events.read({ after: held.seq, limit: pageEvents });
  for (const event of page.items.filter(({ type }) => endings.includes(type))) {
    if (stop.aborted) return 'none';
    // A slow endpoint must not outlast the lease.
    if (!(await store.deliveries.hold(consumer, holder, leaseMs))) return 'none';
    await deliver(options, timing, { event, attempts: held.attempts, stop });
    await store.deliveries.advance(consumer, holder, event.seq);
  }
  await store.deliveries.advance(consumer, holder, page.after);
  return page.has_more ? 'more' : 'none';
}

interface Delivery {
  readonly event: Event;
  readonly attempts: number;
  readonly stop: AbortSignal;
}

/** All documents of one event. Where one fails, all of them come again. @throws Undelivered */
async function deliver(options: LineageOptions, timing: Timing, { event, attempts, stop }: Delivery) {
  const { store, holder } = options;
  for (const document of await documentsOf(options, String(event.payload.batch))) {
    const flaw = await post(
      options.target,
      document,
      AbortSignal.any([stop, AbortSignal.timeout(timing.requestMs)]),
    );
    if (flaw === undefined) continue;
    if (stop.aborted) throw new Undelivered('the daemon stops', attempts);
    const isOld = Date.now() - Date.parse(event.at) > timing.oldestMs;
    if (!flaw.isFinal && !isOld) {
      await store.deliveries.failed(consumer, holder, flaw.why);
      throw new Undelivered(flaw.why, attempts + 1);
    }
    await store.deliveries.bury({ consumer, seq: event.seq, document, error: flaw.why });
  }
}

async function documentsOf({ store, domain }: LineageOptions, batch: string): Promise<object[]> {
  const documents: object[] = [];
  for (const id of await store.deliveries.runsOf(batch)) {
    const trace = await store.stories.run(id);
    if (!trace) throw new OsaError('internal', `run ${id} of batch ${batch} is not there`);
    const record = { convention: trace.run.convention };
    documents.push(...runEvents({ ...trace, record }, `osa://${domain}`));
  }
  return documents;
}

/** Why a document was not taken; undefined if it was. An answer that says the document itself is wrong is final. */
async function post(
  { url, apiKey }: LineageTarget,
  document: object,
  signal: AbortSignal,
): Promise<{ readonly why: string; readonly isFinal: boolean } | undefined> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(document),
      redirect: 'manual',
      signal,
    });
    await answer.body?.cancel();
    if (answer.ok) return undefined;
    const { status } = answer;
    return { why: `it answered with status ${status}`, isFinal: [400, 413, 422].includes(status) };
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    return { why: cause instanceof Error ? cause.message : String(cause), isFinal: false };
  }
}
