import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startDaemon } from '@osa/daemon/daemon';
import { createLog } from '@osa/daemon/log';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import {
  deployHook,
  deployRequest,
  everything,
  ndjson,
  rawConnection,
  type TestDaemon,
  testConfig,
  testDaemon,
} from '../support/daemon-support.ts';
import { scratch, until } from '../support/database/database.ts';
import { declaration } from '../support/database/registry-support.ts';

/** The end of work when a daemon stops, or when there is too much of it. */

let place: Awaited<ReturnType<typeof scratch>>;
let daemon: TestDaemon;
beforeEach(async () => {
  place = await scratch();
});
afterEach(async () => {
  await daemon.close();
  await place.dispose();
});

/** A hook that says that it runs, and answers when it may. */
function patientHook(): {
  waiting: string;
  code: string;
  started: () => boolean;
  release: () => Promise<void>;
} {
  const marker = join(place.path, 'started');
  const permit = join(place.path, 'permit');
  const waiting = `import { existsSync, writeFileSync as write } from 'node:fs';
write(${JSON.stringify(marker)}, '');
while (!existsSync(${JSON.stringify(permit)})) await new Promise((resolve) => setTimeout(resolve, 20));
`;
  return {
    waiting,
    code: waiting + hookCode('return { features: [{ value: metadata.value }] };'),
    started: () => existsSync(marker),
    release: () => writeFile(permit, ''),
  };
}

async function startBatch(hook: ReturnType<typeof patientHook>): Promise<string> {
  await deployHook(daemon, hook.code);
  const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(3) });
  await until('the hook to start', async () => hook.started());
  return id;
}

async function stateOf(id: string) {
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const [row] = await owner.sql<
    { status: string; failures: number; published: number; lease_until: unknown }[]
  >`
    select status, failures, published, lease_until from batches where ingestion = ${id}`;
  return row;
}

describe('stopping', () => {
  test('does not take an end of a hook for its own: the machine may be shutting down', async () => {
    daemon = await testDaemon({ drainSeconds: 30 });
    const hook = patientHook();
    const id = await startBatch({ ...hook, code: `${hook.waiting}process.kill(process.pid, 'SIGKILL');` });
    const stopped = daemon.stop();
    await hook.release();
    await stopped;
    expect(await stateOf(id)).toMatchObject({
      status: 'queued',
      failures: 0,
      published: 0,
      lease_until: null,
    });
  });

  test('lets a batch end that runs, answers what was asked, and is not ready meanwhile', async () => {
    daemon = await testDaemon({ drainSeconds: 30 });
    const hook = patientHook();
    const id = await startBatch(hook);
    const asking = await rawConnection(daemon.port);
    asking.socket.write('GET /ready HTTP/1.1\r\nHost: localhost\r\n');
    await until('the daemon to see it', async () => (await connections()) > 1);
    const stopped = daemon.stop();
    asking.socket.write('\r\n');
    await asking.closed;
    expect(asking.received()).toMatch(
      /^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*the daemon is stopping/i,
    );
    await expect(rawConnection(daemon.port)).rejects.toThrow('ECONNREFUSED');
    await hook.release();
    await stopped;
    expect(await stateOf(id)).toMatchObject({ status: 'done', published: 3 });
  });

  test('gives back a batch that takes too long, and the next daemon runs it', async () => {
    daemon = await testDaemon({ drainSeconds: 1 });
    const hook = patientHook();
    const id = await startBatch(hook);
    await daemon.stop();
    expect(await stateOf(id)).toMatchObject({ status: 'queued', failures: 0, lease_until: null });
    await hook.release();
    const config = await testConfig({
      url: daemon.database.appUrl,
      directory: daemon.directory,
      key: daemon.key,
    });
    const next = await startDaemon(config, { log: createLog({ level: 'silent', readable: false }) });
    await until('the batch to end', async () => (await stateOf(id))?.status === 'done');
    await next.close();
    expect(await stateOf(id)).toMatchObject({ published: 3 });
  });

  async function connections(): Promise<number> {
    const { text } = await daemon.send('GET', '/metrics');
    return Number(/nodejs_active_resources\{type="TCPSocketWrap"\} (\d+)/.exec(text)?.[1] ?? 0);
  }
});

test('counts what it did', async () => {
  daemon = await testDaemon();
  await deployHook(daemon, hookCode('return { features: [{ value: metadata.value }] };'));
  const { id } = await daemon.call('ingest', {
    params: { slug: 'tests' },
    body: ndjson(5),
    query: { batch_size: 2 },
  });
  await until('the ingestion to end', async () => {
    return (await daemon.call('showIngestion', { params: { id } })).status === 'completed';
  });
  const text = await daemon.call('metrics');
  expect(text.split('\n').filter((line) => line.startsWith('osa_batches_total'))).toEqual([
    'osa_batches_total{end="finished"} 3',
  ]);
  expect(text).toContain('osa_hook_runs_total{hook="probe",version="1",status="passed"} 3');
  expect(text).toContain('osa_rows_total{hook="probe"} 5');
  expect(text).toMatch(
    /osa_http_request_seconds_count\{route="\/api\/v1\/ingestions\/:id",status="200"\} \d+/,
  );
  expect(text).toContain('nodejs_eventloop_lag_seconds');
});

test('a daemon without a runner lets batches wait, and says why', async () => {
  daemon = await testDaemon({ runner: 'none' });
  await deployHook(daemon, hookCode('return { features: [{ value: 1 }] };'));
  const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(1) });
  const shown = await until('a reason', async () => {
    const ingestion = await daemon.call('showIngestion', { params: { id } });
    return ingestion.reasons.length > 0 && ingestion;
  });
  expect(shown).toMatchObject({ status: 'running', pending: 1 });
  expect(shown.reasons.join()).toContain('a runner for');
});

test('http-24: transactions for all connections and 50 more get a Retry-After, and are then served', async () => {
  daemon = await testDaemon({
    worker: { name: 'none', isInherited: false, concurrency: 0, perHook: 1, leaseSeconds: 30 },
  });
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const locked = Promise.withResolvers<void>();
  const unlock = Promise.withResolvers<void>();
  const holding = owner.transaction(async (tx) => {
    await tx`lock table hooks in access exclusive mode`;
    locked.resolve();
    await unlock.promise;
  });
  await locked.promise;
  const headers = { authorization: await daemon.bearer(everything), 'content-type': 'application/json' };
  const deployOf = (slug: string) =>
    daemon.send('POST', '/api/v1/conventions', {
      headers,
      body: JSON.stringify({
        ...deployRequest([declaration({ name: slug })]),
        slug,
        schema: { ...(deployRequest().schema as object), id: slug },
      }),
    });
  const read = () => daemon.send('GET', '/api/v1/hooks');
  // A test's daemon has five connections for requests.
  const answers = Array.from({ length: 5 + 50 }, (_, n) => (n % 2 ? read() : deployOf(`first${n}`)));
  const first = await Promise.race(answers);
  expect([first.status, first.problem?.code, first.headers['retry-after']]).toEqual([
    503,
    expect.stringMatching(/^(unavailable|busy)$/),
    '1',
  ]);
  expect((await daemon.send('GET', '/health')).status).toBe(200);
  unlock.resolve();
  await holding;
  await until('an answer', async () => (await read()).status === 200, 5_000);
  const settled = await Promise.all(answers);
  for (const { status, text } of settled) expect([200, 201, 503], text).toContain(status);
  // A request that was sent away did nothing, and comes back well: as many again are all served.
  const stored = async () => (await owner.sql`select from hooks`).length;
  expect(await stored()).toBe(settled.filter(({ status }) => status === 201).length);
  const again = Array.from({ length: 5 + 50 }, (_, n) => (n % 2 ? read() : deployOf(`again${n}`)));
  for (const { status, text } of await Promise.all(again)) expect([200, 201], text).toContain(status);
});
