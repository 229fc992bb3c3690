import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Point } from './control.ts';
import { type Action, allPairs, containerPairs, type Fault } from './faults.ts';
import { type RunResult, runOnce } from './run.ts';
import type { Operation } from './workload/plan.ts';
import { bundleDaemon, type Defect, migrationsWith } from './world/bundle.ts';
import { type Cluster, startCluster } from './world/cluster.ts';
import { makeContainers } from './world/containers.ts';
import { canMount } from './world/disk.ts';

export interface HarnessOptions {
  /** Runs at a time, each slot with a PostgreSQL of its own. */
  readonly slots: number;
  readonly defects?: readonly Defect[];
  readonly focus?: Focus | undefined;
  /** Whether hooks run in containers. */
  readonly inContainers?: boolean;
  /** Whether the directories of broken runs stay; they do. */
  readonly keep?: boolean;
}

/** Only these points get faults, and only these; and each client does these operations too. */
export interface Focus {
  readonly points: readonly Point[];
  readonly actions?: readonly Action[];
  readonly operations?: readonly Operation['kind'][];
}

/** All that runs share; closing it leaves the directories of broken runs. */
export interface Harness extends AsyncDisposable {
  readonly pairs: readonly Fault[];
  /** Faults that this machine does not allow. */
  readonly skipped: readonly string[];
  /** Runs the seeds until there are no more, `enough` says so, or `stop` aborts. */
  run(seeds: Iterator<number>, onResult: (result: RunResult) => void, enough: () => boolean): Promise<void>;
}

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export async function openHarness({
  slots,
  defects = [],
  focus,
  inContainers = false,
  keep = true,
}: HarnessOptions): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), 'osa-crash-'));
  await using opening = new AsyncDisposableStack();
  opening.defer(() => rm(directory, { recursive: true, force: true }));
  const bundle = await bundleDaemon(root, join(directory, 'bundle'), defects);
  const canFillDisk = await canMount(directory);
  const pairsOf = inContainers ? containerPairs : allPairs;
  const pairs = pairsOf({ canFillDisk }).filter(isWanted(focus));
  const containers = inContainers ? opening.use(await makeContainers()) : undefined;
  const key = JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
  const clusters: Cluster[] = [];
  for (let slot = 0; slot < slots; slot += 1) {
    const cluster = await startCluster(join(directory, `pg${slot}`), migrationsWith(defects));
    opening.defer(() => cluster.close());
    clusters.push(cluster);
  }
  opening.move();
  let broken = 0;
  return {
    pairs,
    skipped: canFillDisk ? [] : ['disk-full (no right to mount)'],
    async run(seeds, onResult, enough) {
      const work = async (cluster: Cluster) => {
        while (!enough()) {
          const { value: seed, done } = seeds.next();
          if (done) return;
          const operations = focus?.operations ?? [];
          const result = await runOnce({
            seed,
            cluster,
            bundle,
            directory,
            key,
            pairs,
            operations,
            containers,
          });
          if (result.violations.length > 0) broken += 1;
          onResult(result);
        }
      };
      await Promise.all(clusters.map(work));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clusters.map((cluster) => cluster.close()));
      await containers?.[Symbol.asyncDispose]();
      if (broken === 0 || !keep) await rm(directory, { recursive: true, force: true });
    },
  };
}

function isWanted(focus: Focus | undefined): (fault: Fault) => boolean {
  const { points, actions } = focus ?? {};
  return ({ point, action }) => (points?.includes(point) ?? true) && (actions?.includes(action) ?? true);
}
