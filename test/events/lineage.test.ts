import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { createLog } from '@osa/daemon/log';
import { deliverLineage } from '@osa/daemon/worker/lineage';
import { beforeAll, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { line, type StoryArchive, storyArchive } from '../trace/story-archive.ts';

/** The ends of runs reach an OpenLineage endpoint, also one that is away, slow, or refuses them. */

interface Seen {
  readonly eventType: string;
  readonly eventTime: string;
  readonly run: { readonly runId: string };
}

let archive: StoryArchive;
let store: Store;
beforeAll(async () => {
  archive = await storyArchive();
  const { database } = archive.daemon;
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
  return () => archive.close();
});

const log = createLog({ level: 'silent', readable: false, destination: { write: () => undefined } });
const timing = {
  idleMs: 50,
  firstBackoffMs: 20,
  longestBackoffMs: 200,
  requestMs: 2_000,
  oldestMs: 3_600_000,
};

/** An endpoint that answers each document with a status, or never. */
async function endpoint(answer: (seen: Seen, count: number) => number | undefined) {
  const taken: Seen[] = [];
  const keys = new Set<string | undefined>();
  let count = 0;
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    keys.add(request.headers.authorization);
    const document = JSON.parse(text) as Seen;
    count += 1;
    const status = answer(document, count);
    if (status === undefined) return;
    if (status < 300) taken.push(document);
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/lineage`;
  const delivery = deliverLineage({
    ...{
      target: { url, apiKey: 'secret' },
      store,
      domain: 'localhost',
      holder: crypto.randomUUID(),
      log,
      timing,
    },
  });
  await until('the delivery to begin', async () => {
    const rows = await archive.daemon.database.open(archive.daemon.database.ownerUrl, { max: 1 })
      .sql`select from deliveries where lease_until > now()`;
    return rows.length > 0;
  });
  return {
    taken,
    keys,
    requests: () => count,
    async close() {
      await delivery[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
}

test('an endpoint that is away gets every event once it is back, in order for each run', async () => {
  let isAway = true;
  const target = await endpoint(() => (isAway ? 503 : 200));
  for (const name of ['one', 'two', 'three']) await archive.ingest(line(name, 1));
  await until('some tries', async () => target.requests() >= 4);
  expect(target.taken).toEqual([]);
  isAway = false;
  await until('all events', async () => target.taken.length >= 6);
  const byRun = Map.groupBy(target.taken, ({ run }) => run.runId);
  expect(byRun.size).toBe(3);
  for (const events of byRun.values()) {
    const types = events.map(({ eventType }) => eventType);
    expect(types[0]).toBe('START');
    expect(types.at(-1)).toBe('COMPLETE');
  }
  expect([...target.keys]).toEqual(['Bearer secret']);
  await target.close();
});

test('START is sent while the run goes on, and once', async () => {
  const target = await endpoint(() => 200);
  const gate = join(archive.daemon.directory, crypto.randomUUID());
  const waiting = `const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    for (;;) {
      try { readFileSync(${JSON.stringify(gate)}); break; } catch { pause(); }
    }
    return { features: [{ value: 1 }] };`;
  await deployHook(archive.daemon, hookCode(waiting));
  const ingestion = archive.ingest(line('long', 1));
  const run = await until('the run', async () => {
    const { items } = await archive.daemon.call('listRuns');
    return items.find(({ finished_at }) => finished_at === null)?.id;
  });
  // Others may come again from before.
  const own = () => target.taken.filter(({ run: { runId } }) => runId === run);
  const types = () => own().map(({ eventType }) => eventType);
  await until('its START', async () => own().length > 0);
  expect(types()).toEqual(['START']);
  await writeFile(gate, '');
  await ingestion;
  await until('its COMPLETE', async () => own().length > 1);
  await target.close();
  expect(types()).toEqual(['START', 'COMPLETE']);
  const [began = 0, ended = 0] = own().map(({ eventTime }) => Date.parse(eventTime));
  expect(began).toBeLessThanOrEqual(ended);
});

test('an endpoint that never answers holds up no batch', async () => {
  const target = await endpoint(() => undefined);
  await archive.ingest(line('slow', 1));
  await until('a request', async () => target.requests() >= 1);
  await archive.ingest(line('slower', 1));
  await target.close();
});

test('what the endpoint refuses is a dead letter, and the next one is delivered', async () => {
  const target = await endpoint(({ eventType }) => (eventType === 'START' ? 422 : 200));
  await archive.ingest(line('refused', 1));
  await until('the others', async () => target.taken.length >= 1);
  await target.close();
  const { code, stdout } = await archive.osa(['events', 'dead', '--json'], { scopes: ['events:read'] });
  expect(code).toBe(0);
  const { items } = JSON.parse(stdout);
  expect(items[0]).toMatchObject({
    consumer: 'openlineage',
    error: 'it answered with status 422',
    document: { eventType: 'START' },
  });
  const shown = await archive.osa(['events', 'dead'], { scopes: ['events:read'] });
  expect(shown.stdout).toContain('it answered with status 422');
  expect((await archive.osa(['events', 'nix'], { scopes: ['events:read'] })).code).toBe(2);
});
