import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readPrivateKey } from '@osa/core/auth/sign-token';
import type { Database } from '@osa/core/postgres/connection/connect';
import type { Point } from './control.ts';
import { checkFiles } from './files.ts';
import type { Injected } from './injector.ts';
import { checkComparisons } from './invariants/again/comparisons.ts';
import { checkRecomputes, checkReplays } from './invariants/again/recomputes.ts';
import { checkEvents } from './invariants/events.ts';
import { type History, readHistory, rewritten } from './invariants/history.ts';
import { checkDepositions, checkHolds } from './invariants/holds.ts';
import { checkLives } from './invariants/leases.ts';
import { checkMemory } from './invariants/memory.ts';
import { checkOrder } from './invariants/order.ts';
import { type Ends, watchLeases } from './invariants/read-leases.ts';
import { checkRegistry } from './invariants/registry.ts';
import { checkRows } from './invariants/rows.ts';
import { readState, type State } from './invariants/state.ts';
import { checkTraces } from './invariants/trace.ts';
import type { Report, Violation } from './invariants/violations.ts';
import { compareTwice } from './workload/compare.ts';
import { retryRecomputes } from './workload/hooks.ts';
import { planClients, type WorkloadParts } from './workload/plan.ts';
import { firstDeploy, retryAll, runClient } from './workload/workload.ts';
import { type Client, createClient } from './world/client.ts';
import type { Daemons } from './world/daemons.ts';
import { findInternalErrors, findLeftovers, type Leftover } from './world/leftovers.ts';
import { makeWorld, type RunOptions, type World } from './world/world.ts';

export interface RunResult extends Counts {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly injected: readonly Injected[];
  readonly passed: ReadonlyMap<Point, number>;
  readonly tookMs: number;
  readonly directory: string;
}

interface Counts {
  readonly rows: number;
  readonly batches: number;
  /** Milliseconds from the end of the faults to the end of the last batch. */
  readonly recoveryMs: number;
}

const endWithinMs = 60_000;
/** A daemon gives a silent connection up after 15 s, and lets go of what it ran over it only then. */
const goneWithinMs = 30_000;

/** One run: a workload under faults, then silence, then every invariant. */
export async function runOnce(options: RunOptions): Promise<RunResult> {
  const started = Date.now();
  const violations: Violation[] = [];
  const report: Report = (invariant, what, kind = 'other') => violations.push({ invariant, what, kind });
  const world = await makeWorld(options);
  const { daemons, model, injector, directory } = world;
  const monitor = watchHistory(world.database);
  const leases = watchLeases(world.database);
  let counts: Counts = { rows: 0, batches: 0, recoveryMs: 0 };
  try {
    const recoveryMs = await play(world, options);
    const [readings, ends] = await Promise.all([monitor.stop(), leases.stop()]);
    counts = { recoveryMs, ...(await verify(world, { key: options.key, readings, ends }, report)) };
    await daemons.close();
  } catch (error) {
    report('I12', error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await Promise.all([monitor.stop(), leases.stop()]);
    await world.close();
  }
  for (const error of await findInternalErrors(daemons)) report('I12', error);
  for (const trouble of daemons.troubles) report('I14', trouble);
  for (const answer of model.strangeAnswers) report('I9', answer);
  await world.remove(violations.length > 0);
  const { injected, passed } = injector;
  const { seed } = options;
  return { seed, violations, injected, passed, ...counts, tookMs: Date.now() - started, directory };
}

/** The workload under its faults, until all has ended; the answer is how long that took after the last fault. */
async function play(world: World, { key, operations, containers }: RunOptions): Promise<number> {
  const { random, directory, model, injector, daemons, database } = world;
  await daemons.start();
  const clientOf = await clientsOf(world, key);
  const partsOf = (subject: string): WorkloadParts => ({
    client: clientOf(subject),
    model,
    directory: join(directory, 'code'),
    images: containers?.images,
    registry: world.registry ? `127.0.0.1:${world.registry.port}` : '',
  });
  const clients = planClients(random.fork('workload'), {
    points: world.points,
    operations,
    isSmall: containers !== undefined,
  });
  await firstDeploy(partsOf('first'));
  injector.start();
  await Promise.all(clients.map((steps, index) => runClient(partsOf(`client-${index}`), steps)));
  // Faults also meet what the clients have left in the queue.
  const late = Date.now() + endWithinMs;
  await untilEnded(database, () => injector.isSpent || Date.now() > late - 1_000);
  await injector.stop();
  const silentSince = Date.now();
  await untilEnded(database);
  const recoveryMs = Date.now() - silentSince;
  await retryAll(partsOf('last'));
  await untilEnded(database);
  await retryRecomputes(partsOf('last'));
  await untilEnded(database);
  await compareTwice(partsOf('last'), random.fork('last comparison'));
  await untilEnded(database);
  return recoveryMs;
}

/** Makes the client of each subject. */
async function clientsOf(
  { daemons, model, random }: World,
  key: string,
): Promise<(subject: string) => Client> {
  const signing = await readPrivateKey(key, 'key');
  return (subject) =>
    createClient({ ...{ subject, daemons, model }, key: signing, random: random.fork(subject) });
}

async function verify(
  world: World,
  {
    key,
    readings,
    ends,
  }: { readonly key: string; readonly readings: readonly History[]; readonly ends: Ends },
  report: Report,
): Promise<Omit<Counts, 'recoveryMs'>> {
  const { database, daemons, directory, model, control } = world;
  const state = await untilGone(database, daemons, directory, ({ invariant, what }) =>
    report(invariant, what, 'left over'),
  );
  checkLives(state, { lives: control.outputs.lives, ends, members: daemons.members }, report);
  checkRegistry(state, model, report);
  checkEvents(state, model, report);
  checkOrder(state, model, report);
  checkHolds(state, model, report);
  checkDepositions(state, model, report);
  checkRecomputes(state, model, report);
  checkReplays(state, model, report);
  checkComparisons(state, model, report);
  await checkMemory(state, daemons, report);
  await checkTraces(state, model, (await clientsOf(world, key))('reader'), report);
  const final = await readHistory(database);
  for (const reading of readings) for (const what of rewritten(reading, final)) report('I7', what);
  await checkFiles(state, { database, directory }, report);
  return { rows: checkRows(state, model, report), batches: state.batches.length };
}

/** Reads the history again and again while faults happen; what was there once must be there in the end. */
function watchHistory(database: Database): { stop(): Promise<readonly History[]> } {
  const stopped = new AbortController();
  const readings: History[] = [];
  const watching = (async () => {
    while (!stopped.signal.aborted) {
      // The server may be away; then the next reading counts.
      const reading = await readHistory(database).catch(() => undefined);
      if (reading) readings.push(reading);
      await delay(400);
    }
  })();
  return {
    async stop() {
      stopped.abort();
      await watching;
      return readings;
    },
  };
}

async function untilEnded(database: Database, enough = () => false): Promise<void> {
  const deadline = Date.now() + endWithinMs;
  for (;;) {
    const open = await database.sql<{ id: string; status: string; reason: string | null }[]>`
      select id, status, reason from batches where status in ('queued', 'running', 'parked')
      union all
      select id, 'recompute', hook from recomputes where finished_at is null
      union all
      select id, 'replay', reason from replay_parts where finished_at is null
      union all
      select id, 'comparison', hook from comparisons where finished_at is null`.catch(() => undefined);
    if (open?.length === 0 || enough()) return;
    if (Date.now() > deadline) {
      throw new Error(`batches have not ended within ${endWithinMs} ms: ${JSON.stringify(open)}`);
    }
    await delay(50);
  }
}

/** Directories, processes and sessions may take a moment to go; a worker's next transaction is none that stays. */
async function untilGone(
  database: Database,
  daemons: Daemons,
  directory: string,
  tell: (leftover: Leftover) => void,
): Promise<State> {
  const deadline = Date.now() + goneWithinMs;
  let before: ReadonlySet<string> = new Set();
  for (;;) {
    const state = await readState(database);
    const left = await findLeftovers(state, daemons, directory);
    if (left.length === 0) return state;
    if (Date.now() > deadline) {
      for (const leftover of left) if (before.has(leftover.what)) tell(leftover);
      return state;
    }
    before = new Set(left.map(({ what }) => what));
    await delay(100);
  }
}
