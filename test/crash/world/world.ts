import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from '@osa/core/postgres/connection/connect';
import { unmountBelow } from '@osa/core/runners/shared/output-quota';
import { type Control, type Point, startControl } from '../control.ts';
import { type Fault, type FaultPlan, planFaults } from '../faults.ts';
import { Injector } from '../injector.ts';
import { Model } from '../invariants/model.ts';
import { type Random, seeded } from '../random.ts';
import type { Operation } from '../workload/plan.ts';
import { appRole, type Cluster } from './cluster.ts';
import type { Containers } from './containers.ts';
import { Daemons } from './daemons.ts';
import { type Disk, mountDisk } from './disk.ts';
import { type Line, startProxy } from './proxy.ts';

export interface RunOptions {
  readonly seed: number;
  readonly cluster: Cluster;
  readonly bundle: string;
  /** The run makes its own below it; it stays when something is wrong. */
  readonly directory: string;
  /** The private key of all daemons, as JWK. */
  readonly key: string;
  readonly pairs: readonly Fault[];
  /** The acts that each client does whatever chance gives it. */
  readonly operations: readonly Operation['kind'][];
  readonly containers: Containers | undefined;
}

/** All that one run has to itself. */
export interface World {
  readonly random: Random;
  readonly directory: string;
  readonly model: Model;
  readonly injector: Injector;
  /** Where faults are planned. */
  readonly points: readonly Point[];
  readonly control: Control;
  readonly daemons: Daemons;
  /** The way to the registry of images. */
  readonly registry: Line | undefined;
  /** Straight to the server. */
  readonly database: Database;
  /** Ends everything; the logs are still there. */
  close(): Promise<void>;
  /** Removes the database, and the directory unless it is to be looked at. */
  remove(keep: boolean): Promise<void>;
}

const leaseSeconds = 1;

export async function makeWorld(options: RunOptions): Promise<World> {
  const { seed, cluster, pairs } = options;
  const random = seeded(seed);
  const directory = join(options.directory, `r${seed}`);
  await mkdir(join(directory, 'data'), { recursive: true, mode: 0o755 });
  const name = `crash_${seed}`;
  await cluster.clone(name);
  const count = random.pick([1, 2, 2, 3]);
  const plan = planFaults(seed, random.fork('faults'), pairs, count);
  const model = new Model();
  const disks = await mountDisks(plan, directory, count);
  const late: { daemons?: Daemons } = {};
  const { containers } = options;
  const registry = containers && (await startProxy(containers.registryPort));
  const injector = new Injector({
    ...{ plan, model, cluster, disks, registry, leaseMs: leaseSeconds * 1_000 },
    random: random.fork('injector'),
    daemons: () => {
      if (!late.daemons) throw new Error('the daemons are not made yet');
      return late.daemons;
    },
  });
  const control = await startControl(directory, count, (reached) => injector.decide(reached));
  const daemons = makeDaemons(options, { directory, count, control, name });
  late.daemons = daemons;
  const database = cluster.open(name);
  return {
    ...{ random, directory, model, injector, control, daemons, registry, database },
    points: plan.faults.map(({ point }) => point),
    async close() {
      await daemons.discard();
      await control[Symbol.asyncDispose]();
      await database.close();
      for (const disk of disks.values()) await disk.remove();
      // Mounts of attempts that were going on when everything was discarded.
      await unmountBelow(directory);
      await registry?.close();
    },
    async remove(keep) {
      await cluster.drop(name);
      if (!keep) await rm(directory, { recursive: true, force: true });
    },
  };
}

async function mountDisks(plan: FaultPlan, directory: string, count: number): Promise<Map<number, Disk>> {
  const disks = new Map<number, Disk>();
  if (!plan.faults.some(({ action }) => action === 'disk-full')) return disks;
  for (let index = 0; index < count; index += 1) {
    disks.set(index, await mountDisk(join(directory, `d${index}/work`)));
  }
  return disks;
}

function makeDaemons(
  { cluster, bundle, key, containers }: RunOptions,
  { directory, count, control, name }: { directory: string; count: number; control: Control; name: string },
): Daemons {
  return new Daemons({
    ...{ bundle, count, directory, key, leaseSeconds },
    data: join(directory, 'data'),
    inContainers: containers !== undefined,
    role: appRole,
    database: name,
    postgresSocket: join(cluster.socket.directory, `.s.PGSQL.${cluster.socket.port}`),
    control: control.daemonSocket,
  });
}
