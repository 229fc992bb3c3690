import { randomBytes } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  deployRequest,
  everything,
  rawConnection,
  type TestDaemon,
  testDaemon,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Ten clients at once that ask for a table as a file, and stop reading it. */

/** More than the buffers between us and a client take, and not to be compressed to less. */
const records = 6_000;
const answerIdleMs = 2_000;
const waitMs = 100_000;

let daemon: TestDaemon;
let headers: { readonly authorization: string };
/** The daemon's side of each connection. */
const accepted: Socket[] = [];
const accept = (message: unknown) => accepted.push((message as { readonly socket: Socket }).socket);

beforeAll(async () => {
  channel('net.server.socket').subscribe(accept);
  daemon = await testDaemon({ http: { answerIdleMs, tableStreams: { each: 20, all: 40 } } });
  headers = { authorization: await daemon.bearer(everything, { lifetimeSeconds: 900 }) };
  const fields = [{ name: 'text', type: 'text', required: true, cardinality: 'exactly_one' }];
  const schema = { id: 'deep', version: '1.0.0', fields };
  await daemon.call('deploy', { json: { ...deployRequest(), slug: 'deep', schema } });
  const text = () => randomBytes(3_000).toString('base64');
  const line = (n: number) => JSON.stringify({ source_id: `r${n}`, metadata: { text: text() } });
  const body = Array.from({ length: records }, (_, n) => line(n)).join('\n');
  const { id } = await daemon.call('ingest', { params: { slug: 'deep' }, body });
  const isDone = async () => (await daemon.call('showIngestion', { params: { id } })).status === 'completed';
  await until('the ingestion to end', isDone, waitMs);
}, 120_000);
afterAll(async () => {
  channel('net.server.socket').unsubscribe(accept);
  await daemon.close();
});

/** The memory in use, without what nobody refers to any more. */
function held(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Asks for a file on a connection of its own, and reads nothing. */
async function deaf(format: string) {
  const { socket, received } = await rawConnection(daemon.port);
  socket.pause();
  const server = await until('the connection', async () =>
    accepted.find((one) => one.remotePort === socket.localPort && one.localPort === daemon.port),
  );
  const lines = [
    `GET /api/v1/data/deep/records.${format} HTTP/1.1`,
    'Host: localhost',
    `Authorization: ${headers.authorization}`,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return { socket, received, server };
}

/**
 * Mebibytes that a stalled reader may hold: the rows of one part, and the bytes of up to three. Parquet is written a group
 * of rows at a time, and a group is kept until it is written.
 */
const mostEach = { csv: 4, parquet: 8, arrow: 4.5 };

test.each(['csv', 'parquet', 'arrow'] as const)(
  'http-03: ten of a %s hold little, and are cut off',
  async (format) => {
    const before = held();
    const clients = await Promise.all(Array.from({ length: 10 }, () => deaf(format)));
    let most = 0;
    const areGone = async () => {
      most = Math.max(most, held() - before);
      return clients.every(({ server }) => server.destroyed);
    };
    await until('the daemon to let go of all', areGone, waitMs);
    expect(most).toBeLessThan(10 * mostEach[format] * 2 ** 20);
    expect(clients.filter(({ server }) => server.bytesWritten === 0)).toEqual([]);
    for (const { socket, received } of clients) {
      expect(received()).not.toContain('\r\n0\r\n\r\n');
      socket.destroy();
    }
    const path = '/api/v1/data/deep/records?limit=1';
    expect((await daemon.send('GET', path, { headers })).status).toBe(200);
  },
);
