import { commitUnknown } from '@osa/core/postgres/connection/sqlstate';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { setAside } from '@osa/core/postgres/queue/set-aside';
import type { Claim } from '@osa/core/run/queue';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { until } from '../support/database/database.ts';

/** Each write of a worker asks for both, by the database's clock: its fence, and a lease that has not run out. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  const code = hookCode('return { features: [{ value: metadata.value }] }');
  await bench.deploy({ doubled: { code } });
  await bench.ingest([record('a', 1)]);
  return () => bench.dispose();
});

const worker = (name: string, leaseMs = 60_000) =>
  ({ name, leaseMs, runtimes: ['directory'], fullHooks: [] }) as const;

async function claimed(name: string, leaseMs?: number): Promise<Claim> {
  return until('a batch', () => bench.execution.queue.claim(worker(name, leaseMs)));
}

async function stored() {
  const [row] = await bench.database.sql<
    { status: string; fence: string; claimed_by: string; held: boolean }[]
  >`
    select status, fence, claimed_by, lease_until > clock_timestamp() as held from batches`;
  return row;
}

/** Every write, as a worker that holds `claim` makes it. */
const writes: Readonly<Record<string, (claim: Claim) => Promise<unknown>>> = {
  commit: (claim) => bench.execution.queue.finish({ ...claim, runs: [] }, []),
  start: (claim) =>
    bench.execution.queue.startAttempt(claim, {
      run: claim.runs[0]?.id ?? '',
      memoryBytes: 1,
      runner: 'test',
    }),
  stop: (claim) => bench.execution.queue.stopIngestion(claim, 'it can never run'),
};

describe.each(Object.entries(writes))('the %s of a batch', (_, write) => {
  test('is refused once the lease has run out, even when nobody has claimed the batch since', async () => {
    const claim = await claimed('slow', 1);
    await until('the end of the lease', async () => (await stored())?.held === false);
    await expect(write(claim)).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await stored()).toMatchObject({ status: 'running', fence: claim.fence });
    expect(await bench.database.sql`select from attempts`).toHaveLength(0);
  });

  test('is refused to a worker whose batch another one holds', async () => {
    const stale = await claimed('stale', 1);
    const holder = await claimed('holder');
    expect(holder.batch).toBe(stale.batch);
    await expect(write(stale)).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await stored()).toMatchObject({ status: 'running', fence: holder.fence, claimed_by: 'holder' });
    expect(await bench.database.sql`select from attempts`).toHaveLength(0);
  });
});

test('a lease that has run out is not renewed, nor is that of another worker', async () => {
  const stale = await claimed('stale', 1);
  await until('the end of the lease', async () => (await stored())?.held === false);
  expect(await bench.execution.queue.renew(stale, 60_000)).toBe(false);
  const holder = await claimed('holder');
  expect(await bench.execution.queue.renew(stale, 60_000)).toBe(false);
  expect(await bench.execution.queue.renew(holder, 60_000)).toBe(true);
});

test('a worker gives back no batch that another one holds', async () => {
  const stale = await claimed('stale', 1);
  await claimed('holder');
  await bench.execution.queue.postpone(stale, { reason: 'stale', delayMs: 0, failed: true });
  expect(await stored()).toMatchObject({ status: 'running', claimed_by: 'holder' });
});

test('a claim that failed sets aside no batch that another worker has claimed since', async () => {
  const { batch: id, ingestion, recompute, convention } = await claimed('holder');
  const candidate = {
    id,
    ingestion,
    recompute,
    convention,
    hasSnapshot: false,
    fence: '0',
    claimFailures: 0,
    lost: 0,
  };
  expect(await setAside(bench.database, candidate, new Error('it failed'))).toBeUndefined();
  expect(await bench.database.sql`select from batches where claim_failures > 0`).toHaveLength(0);
});

test('a lost answer to COMMIT is not taken for a commit when another worker has ended the batch', async () => {
  const stale = await claimed('stale', 1);
  await bench.drain();
  expect(await stored()).toMatchObject({ status: 'done', fence: '2' });
  let tries = 0;
  const endings: typeof bench.database = {
    ...bench.database,
    transaction: (work, options) => {
      tries += 1;
      if (tries === 1) return Promise.reject(commitUnknown('the COMMIT of transaction', new Error('cut')));
      return bench.database.transaction(work, options);
    },
  };
  const queue = postgresQueue(bench.database, { domain: 'localhost', endings });
  await expect(queue.finish({ ...stale, runs: [] }, [])).rejects.toMatchObject({ code: 'unavailable' });
  expect(tries).toBe(2);
});
