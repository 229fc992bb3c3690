import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readPrivateKey } from '@osa/core/auth/token';
import type { Database } from '@osa/core/postgres/connection';
import { createClient } from './client.ts';
import { appRole, type Cluster } from './cluster.ts';
import { type Control, type Point, startControl } from './control.ts';
import { Daemons } from './daemons.ts';
import { type Disk, mountDisk } from './disk.ts';
import { type Fault, planFaults } from './faults.ts';
import { type History, readHistory, rewritten } from './history.ts';
import { type Injected, Injector } from './injector.ts';
import { checkOrder } from './invariants-order.ts';
import { checkRegistry } from './invariants-registry.ts';
import { checkRows } from './invariants-rows.ts';
import { findInternalErrors, findLeftovers } from './leftovers.ts';
import { Model } from './model.ts';
import { seeded } from './random.ts';
import { readState, type State } from './state.ts';
import type { Violation } from './violations.ts';
import { firstDeploy, planClients, retryAll, runClient, type WorkloadParts } from './workload.ts';

export interface RunOptions {
  readonly seed: number;
  readonly cluster: Cluster;
  readonly bundle: string;
  /** The run makes its own below it; it stays when something is wrong. */
  readonly directory: string;
  /** The private key of all daemons, as JWK. */
  readonly key: string;
  readonly pairs: readonly Fault[];
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly injected: readonly Injected[];
  readonly passed: ReadonlyMap<Point, number>;
  readonly rows: number;
  readonly batches: number;
  /** Milliseconds from the end of the faults to the end of the last batch. */
  readonly recoveryMs: number;
  readonly tookMs: number;
  readonly directory: string;
}

const leaseSeconds = 1;
const endWithinMs = 60_000;
const goneWithinMs = 10_000;

/** One run: a workload under faults, then silence, then every invariant. */
export async function runOnce(options: RunOptions): Promise<RunResult> {
  const { seed, cluster, pairs } = options;
  const started = Date.now();
  const random = seeded(seed);
  const directory = join(options.directory, `r${seed}`);
  await mkdir(join(directory, 'data'), { recursive: true, mode: 0o755 });
  const name = `crash_${seed}`;
  await cluster.clone(name);
  const count = random.pick([1, 2, 2, 3]);
  const plan = planFaults(seed, random.fork('faults'), pairs, count);
  const model = new Model();
  const disks = new Map<number, Disk>();
  if (plan.faults.some(({ action }) => action === 'disk-full')) {
    for (let index = 0; index < count; index += 1)
      disks.set(index, await mountDisk(join(directory, `d${index}/work`)));
  }
  const world: { daemons?: Daemons } = {};
  const daemonsOf = () => {
    if (!world.daemons) throw new Error('the daemons are not made yet');
    return world.daemons;
  };
  const injector = new Injector({
    ...{ plan, model, cluster, disks, leaseMs: leaseSeconds * 1_000 },
    random: random.fork('injector'),
    daemons: daemonsOf,
  });
  const control = await startControl(directory, count, (reached) => injector.decide(reached));
  world.daemons = makeDaemons(options, { directory, count, control, name });
  const database = cluster.open(name);
  const violations: Violation[] = [];
  const report = (invariant: Violation['invariant'], what: string, kind: Violation['kind'] = 'other') => {
    violations.push({ invariant, what, kind });
  };
  const outcome = { rows: 0, batches: 0, recoveryMs: 0 };
  try {
    await daemonsOf().start();
    const client = createClient({
      ...{ daemons: daemonsOf(), model },
      key: await readPrivateKey(options.key, 'key'),
      random: random.fork('client'),
    });
    const parts: WorkloadParts = {
      client,
      model,
      directory: join(directory, 'code'),
      hookSocket: control.hookSocket,
    };
    const steps = planClients(random.fork('workload'));
    const monitor = watchHistory(database);
    await firstDeploy(parts);
    injector.start();
    await Promise.all(steps.map((own) => runClient(parts, own)));
    await injector.stop();
    const silent = Date.now();
    await untilEnded(database);
    outcome.recoveryMs = Date.now() - silent;
    await retryAll(parts);
    await untilEnded(database);
    const readings = await monitor.stop();
    const state = await untilGone(database, daemonsOf(), directory, (what) =>
      report('I14', what, 'left over'),
    );
    checkRegistry(state, model, report);
    outcome.rows = checkRows(state, model, report);
    outcome.batches = state.batches.length;
    checkOrder(state, model, report);
    const final = await readHistory(database);
    for (const reading of readings) for (const what of rewritten(reading, final)) report('I7', what);
    await daemonsOf().close();
  } catch (error) {
    report('I12', error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await daemonsOf().discard();
    await control[Symbol.asyncDispose]();
    await database.close();
    for (const disk of disks.values()) await disk.remove();
  }
  for (const error of await findInternalErrors(daemonsOf())) report('I12', error);
  for (const trouble of daemonsOf().troubles) report('I14', trouble);
  for (const answer of model.strangeAnswers) report('I9', answer);
  await cluster.drop(name);
  if (violations.length === 0) await rm(directory, { recursive: true, force: true });
  const { injected, passed } = injector;
  return { seed, violations, injected, passed, ...outcome, tookMs: Date.now() - started, directory };
}

function makeDaemons(
  { cluster, bundle, key }: RunOptions,
  { directory, count, control, name }: { directory: string; count: number; control: Control; name: string },
): Daemons {
  return new Daemons({
    ...{ bundle, count, directory, key, leaseSeconds },
    data: join(directory, 'data'),
    role: appRole,
    database: name,
    postgresSocket: join(cluster.socket.directory, `.s.PGSQL.${cluster.socket.port}`),
    control: control.daemonSocket,
  });
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

async function untilEnded(database: Database): Promise<void> {
  const deadline = Date.now() + endWithinMs;
  for (;;) {
    const open = await database.sql<{ id: string; status: string; reason: string | null }[]>`
      select id, status, reason from batches where status in ('queued', 'running', 'parked')`.catch(
      () => undefined,
    );
    if (open?.length === 0) return;
    if (Date.now() > deadline) {
      throw new Error(`batches have not ended within ${endWithinMs} ms: ${JSON.stringify(open)}`);
    }
    await delay(50);
  }
}

/** Directories, processes and sessions may take a moment to go. */
async function untilGone(
  database: Database,
  daemons: Daemons,
  directory: string,
  tell: (what: string) => void,
): Promise<State> {
  const deadline = Date.now() + goneWithinMs;
  for (;;) {
    const state = await readState(database);
    const left = await findLeftovers(state, daemons, directory);
    if (left.length === 0) return state;
    if (Date.now() > deadline) {
      for (const what of left) tell(what);
      return state;
    }
    await delay(100);
  }
}
