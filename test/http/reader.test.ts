import { channel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bounds } from '@osa/core/limits';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import {
  declaration,
  deployHook,
  deployRequest,
  everything,
  ndjson,
  type RawConnection,
  rawConnection,
  type TestDaemon,
  testDaemon,
  uploaded,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Clients that ask for much and do not read what they are answered. */

const answerIdleMs = 2_000;
let daemon: TestDaemon;
let headers: { readonly authorization: string };
/** Where the longest log and the largest page are. */
let targets: Record<'log' | 'list', string>;
/** The daemon's side of each connection. */
const accepted: Socket[] = [];
const accept = (message: unknown) => accepted.push((message as { readonly socket: Socket }).socket);

beforeAll(async () => {
  channel('net.server.socket').subscribe(accept);
  daemon = await testDaemon({ http: { answerIdleMs } });
  headers = { authorization: await daemon.bearer(everything, { lifetimeSeconds: 600 }) };
  targets = { log: `/api/v1/hooks/runs/${await talkativeRun()}/logs`, list: await largeList() };
});
afterAll(async () => {
  channel('net.server.socket').unsubscribe(accept);
  await daemon.close();
});

async function ingested(slug: string, body: string): Promise<void> {
  const { id } = await daemon.call('ingest', { params: { slug }, body });
  await until('the ingestion to end', async () => {
    return (await daemon.call('showIngestion', { params: { id } })).status === 'completed';
  });
}

async function talkativeRun(): Promise<string> {
  const answer = hookCode('return { features: [{ value: 1 }] }');
  await deployHook(daemon, `process.stdout.write('x'.repeat(3_000_000));\n${answer}`);
  await ingested('tests', ndjson(1));
  const { items } = await daemon.call('listRuns');
  return items[0]?.id ?? '';
}

async function largeList(): Promise<string> {
  const fields = [{ name: 'text', type: 'text', required: true, cardinality: 'exactly_one' }];
  const schema = { id: 'wide', version: '1.0.0', fields };
  await daemon.call('deploy', { json: { ...deployRequest(), slug: 'wide', schema } });
  const line = (n: number) => JSON.stringify({ source_id: `r${n}`, metadata: { text: 'x'.repeat(4_000) } });
  await ingested('wide', Array.from({ length: 1_000 }, (_, n) => line(n)).join('\n'));
  return '/api/v1/data/wide/records?limit=1000';
}

/** Asks `count` times at once on a connection of its own, and reads nothing. */
async function deaf(target: string, count: number): Promise<RawConnection & { readonly server: Socket }> {
  const connection = await rawConnection(daemon.port);
  connection.socket.pause();
  const { localPort } = connection.socket;
  const server = await until('the connection', async () =>
    accepted.find((socket) => socket.remotePort === localPort && socket.localPort === daemon.port),
  );
  const lines = [`GET ${target} HTTP/1.1`, 'Host: localhost', `Authorization: ${headers.authorization}`];
  connection.socket.write(`${lines.join('\r\n')}\r\n\r\n`.repeat(count));
  return { ...connection, server };
}

/** The most memory that was held more while `work` went on, without what waits to be collected. */
async function grownBy(work: () => Promise<unknown>): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const memory = () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  let before = memory();
  // Buffers are given back some turns after they were collected.
  for (let turn = 0; turn < 20; turn += 1) {
    await nextTurn();
    before = Math.min(before, memory());
  }
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, memory());
  }, 50);
  await work().finally(() => clearInterval(watch));
  return peak - before;
}

describe.each(['log', 'list'] as const)('http-03: a client that never reads a %s', (kind) => {
  test('has few of the answers that it asked for in memory, and is cut off', async () => {
    const one = (await daemon.send('GET', targets[kind], { headers })).text.length;
    expect(one).toBeGreaterThan(2 ** 20);
    const grown = await grownBy(async () => {
      const { socket, server } = await deaf(targets[kind], 120);
      await until('the answers to pile up', async () => server.writableLength > 0);
      expect((await daemon.send('GET', '/health')).status).toBe(200);
      await until('the daemon to let go of it', async () => server.destroyed);
      socket.destroy();
    });
    expect(grown).toBeLessThan(40 * one);
  });

  test('and then does has all of them', async () => {
    const { socket, server, received, closed } = await deaf(targets[kind], 20);
    await until('the answers to pile up', async () => server.writableLength > 0);
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    socket.resume();
    await closed;
    expect(received().match(/HTTP\/1\.1 200 OK/g)).toHaveLength(21);
  });
});

describe('http-03: a page of values that are large', () => {
  const text = 'x'.repeat(900_000);
  const count = 25;

  /** The sizes of the pages of a list, and how many values there are in all of them. */
  async function pagesOf(path: string): Promise<{ sizes: number[]; values: number }> {
    const sizes: number[] = [];
    let values = 0;
    for (let cursor = ''; ; ) {
      const answer = await daemon.send('GET', `${path}?limit=1000${cursor}`);
      const page = JSON.parse(answer.text);
      sizes.push(answer.text.length);
      values += page.rows.filter((row: { text: string }) => row.text === text).length;
      expect(page.has_more).toBe(page.next_cursor !== null);
      if (!page.has_more) return { sizes, values };
      cursor = `&cursor=${page.next_cursor}`;
    }
  }

  beforeAll(async () => {
    const column = { name: 'text', json_type: 'string', required: true };
    const code = hookCode(`return { features: [{ text: 'x'.repeat(${text.length}) }] }`);
    const digest = await uploaded(daemon, code);
    const declared = { ...declaration('large', digest), feature: { cardinality: 'one', columns: [column] } };
    const fields = [{ name: 'text', type: 'text', required: true, cardinality: 'exactly_one' }];
    const schema = { id: 'large-text', version: '1.0.0', fields };
    await daemon.call('deploy', { json: { ...deployRequest([declared]), slug: 'large', schema } });
    const line = (n: number) => JSON.stringify({ source_id: `r${n}`, metadata: { text } });
    await ingested('large', Array.from({ length: count }, (_, n) => line(n)).join('\n'));
  });

  test.each(['records', 'large'])('of %s ends early, and the next ones have the rest', async (list) => {
    const { sizes, values } = await pagesOf(`/api/v1/data/large-text/${list}`);
    expect([sizes.length, values]).toEqual([2, count]);
    expect(Math.max(...sizes)).toBeLessThan(bounds.pageBytes + 2 ** 20);
  });
});
