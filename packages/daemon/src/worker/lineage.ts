import { setTimeout as pause } from 'node:timers/promises';
import { OsaError } from '@osa/core/error';
import type { Event } from '@osa/core/events/outbox';
import type { Store } from '@osa/core/store';
import { runEvents } from '@osa/core/trace/export/openlineage';
import type { Logger } from 'pino';

/** Delivery of the starts and ends of runs to an OpenLineage endpoint, beside everything else: a batch never waits for it. */

export interface LineageTarget {
  readonly url: string;
  readonly apiKey: string | undefined;
}

export interface LineageOptions {
  readonly target: LineageTarget;
  readonly store: Store;
  readonly domain: string;
  /** The id of this daemon; one at a time delivers. */
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
/** Runs at a time whose start is looked for, and starts that are remembered until the end of their run. */
const mostStarted = 1_000;
const mostRemembered = 10_000;

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

async function run(given: LineageOptions, stop: AbortSignal): Promise<void> {
  const { log, timing = usual } = given;
  const options: Delivering = { ...given, timing, stop, started: new Set() };
  let isTold = false;
  while (!stop.aborted) {
    let waitMs = timing.idleMs;
    try {
      const step = await deliverPage(options);
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

interface Delivering extends LineageOptions {
  readonly timing: Timing;
  readonly stop: AbortSignal;
  /** The runs that go on and whose start was sent. Where this is lost, the start comes again with the end. */
  readonly started: Set<string>;
}

async function deliverPage(options: Delivering): Promise<'more' | 'none'> {
  const { store, holder, stop } = options;
  const held = await store.deliveries.hold(consumer, holder, leaseMs);
  if (!held) return 'none';
  await store.events.last();
  const page = await store.events.read({ after: held.seq, limit: pageEvents });
  for (const event of page.items.filter(({ type }) => endings.includes(type))) {
    if (stop.aborted) return 'none';
    // A slow endpoint must not outlast the lease.
    if (!(await store.deliveries.hold(consumer, holder, leaseMs))) return 'none';
    const documents = await documentsOf(options, String(event.payload.batch));
    await deliver(options, { documents, ...event, attempts: held.attempts });
    await store.deliveries.advance(consumer, holder, event.seq);
  }
  await store.deliveries.advance(consumer, holder, page.after);
  if (page.has_more) return 'more';
  await deliverStarts(options, { seq: page.after, attempts: held.attempts });
  return 'none';
}

/** Starts come when they happen; of a run that is over sooner, with its end. */
async function deliverStarts(
  options: Delivering,
  { seq, attempts }: { readonly seq: number; readonly attempts: number },
): Promise<void> {
  const { store, holder, started, stop } = options;
  const going = await store.deliveries.startedRuns(mostStarted);
  for (const id of going.filter((one) => !started.has(one))) {
    if (stop.aborted || !(await store.deliveries.hold(consumer, holder, leaseMs))) return;
    const documents = (await eventsOf(options, id)).slice(0, 1);
    await deliver(options, { documents, seq, at: new Date().toISOString(), attempts });
    started.add(id);
    const [oldest] = started;
    if (oldest !== undefined && started.size > mostRemembered) started.delete(oldest);
  }
}

interface Delivery extends Pick<Event, 'seq' | 'at'> {
  readonly documents: readonly object[];
  readonly attempts: number;
}

/** All documents of one event. Where one fails, all of them come again. @throws Undelivered */
async function deliver(options: Delivering, { documents, seq, at, attempts }: Delivery): Promise<void> {
  const { store, holder, timing, stop } = options;
  for (const document of documents) {
    const flaw = await post(
      options.target,
      document,
      AbortSignal.any([stop, AbortSignal.timeout(timing.requestMs)]),
    );
    if (flaw === undefined) continue;
    if (stop.aborted) throw new Undelivered('the daemon stops', attempts);
    const isOld = Date.now() - Date.parse(at) > timing.oldestMs;
    if (!flaw.isFinal && !isOld) {
      await store.deliveries.failed(consumer, holder, flaw.why);
      throw new Undelivered(flaw.why, attempts + 1);
    }
    await store.deliveries.bury({ consumer, seq, document, error: flaw.why });
  }
}

/** The ends of a batch's runs, and the starts that were not sent. */
async function documentsOf(options: Delivering, batch: string): Promise<object[]> {
  const documents: object[] = [];
  for (const id of await options.store.deliveries.runsOf(batch)) {
    const events = await eventsOf(options, id);
    documents.push(...(options.started.delete(id) ? events.slice(1) : events));
  }
  return documents;
}

async function eventsOf({ store, domain }: LineageOptions, id: string): Promise<object[]> {
  const trace = await store.stories.run(id);
  if (!trace) throw new OsaError('internal', `run ${id} is not there`);
  return runEvents({ ...trace, record: { convention: trace.run.convention } }, `osa://${domain}`);
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
