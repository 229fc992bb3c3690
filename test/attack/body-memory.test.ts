import { bodyMemory } from '@osa/daemon/http/body-memory';
import type { Reader } from '@osa/daemon/http/reads/shares';
import { serviceRoutes } from '@osa/daemon/http/routes/service';
import { describe, expect, test } from 'vitest';
import { everything, type RawConnection, rawConnection, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Bodies of many clients at once: the memory that they hold together, and the turns that they do not hold. */

const kibibyte = 1024;
const known = (name: string): Reader => ({ name, isAnonymous: false });
const nobody = (name: string): Reader => ({ name, isAnonymous: true });
const busy = expect.objectContaining({ code: 'busy' });

describe('the bytes of bodies', () => {
  test('are bounded for each reader, and given back', () => {
    const memory = bodyMemory({ each: 100, all: 1_000 });
    const first = memory.begin(known('a'));
    first.add(60);
    const second = memory.begin(known('a'));
    expect(() => second.add(41)).toThrow(busy);
    second.add(40);
    memory.begin(known('b')).add(100);
    first[Symbol.dispose]();
    second.add(60);
    expect(() => second.add(1)).toThrow(busy);
  });

  test('are bounded for all, and a quarter is kept from readers without a token', () => {
    const memory = bodyMemory({ each: 100, all: 200 });
    const anonymous = memory.begin(nobody('a'));
    anonymous.add(100);
    memory.begin(nobody('b')).add(50);
    expect(() => memory.begin(nobody('c')).add(1)).toThrow(busy);
    memory.begin(known('d')).add(50);
    expect(() => memory.begin(known('e')).add(1)).toThrow(busy);
    anonymous[Symbol.dispose]();
    memory.begin(nobody('c')).add(1);
  });
});

/** A request whose body stays without its last byte. */
async function unfinished(port: number, path: string, bytes: number): Promise<RawConnection> {
  const connection = await rawConnection(port);
  connection.socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${bytes + 1}\r\n\r\n`,
  );
  connection.socket.write(' '.repeat(bytes));
  return connection;
}

test('one network cannot fill the memory with bodies, and callers with a token go on', async () => {
  const bodyBytes = { each: 100 * kibibyte, all: 200 * kibibyte };
  await using daemon = await disposable({ bodyBytes });
  const clients = await Promise.all(
    [0, 1, 2, 3].map(() => unfinished(daemon.port, '/api/v1/data/tests/records', 40 * kibibyte)),
  );
  const refused = (client: RawConnection) => client.received().startsWith('HTTP/1.1 503 ');
  await until('two refusals', async () => clients.filter(refused).length === 2);
  for (const client of clients.filter(refused)) {
    await client.closed;
    expect(client.received()).toMatch(/retry-after: 1[\s\S]*"code":"busy"/);
  }
  const authorization = await daemon.bearer(everything);
  const headers = { authorization, 'content-type': 'application/json' };
  const body = ' '.repeat(40 * kibibyte);
  expect((await daemon.send('POST', '/api/v1/hooks/x/pause', { headers, body })).status).toBe(400);
  for (const { socket } of clients) socket.resetAndDestroy();
  await until('room again', async () => {
    const { status } = await daemon.send('POST', '/api/v1/data/tests/records', {
      headers: { 'content-type': 'application/json' },
      body,
    });
    return status === 400;
  });
});

test('a reader whose body comes slowly has no turn meanwhile', async () => {
  await using daemon = await disposable({ readWaitMs: 200 });
  const readers = await Promise.all(
    Array.from({ length: 20 }, () => unfinished(daemon.port, '/api/v1/data/tests/records', 1)),
  );
  // Whoever asks later is heard later, so all of these have been heard now.
  for (let n = 0; n < 5; n += 1) await daemon.send('GET', '/health');
  expect((await daemon.send('GET', '/api/v1/hooks')).status).toBe(200);
  for (const { socket } of readers) socket.resetAndDestroy();
});

test('a body is refused by its length where everybody may send one', async () => {
  await using daemon = await disposable({});
  const headers = { 'content-type': 'application/json' };
  for (const path of ['refresh', 'device/token', 'exchange', 'logout']) {
    const body = `{${' '.repeat(16 * kibibyte)}}`;
    const { status, problem } = await daemon.send('POST', `/api/v1/auth/${path}`, { headers, body });
    expect([status, problem?.details]).toEqual([413, { limit: 16 * kibibyte }]);
  }
});

test('bodies of readers without a token are read in their turns, so parsing them takes no time of others', async () => {
  await using daemon = await disposable({ readWaitMs: 200, waitingReads: { each: 2, all: 4 } });
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 2 });
  const headers = { 'content-type': 'application/json' };
  await owner.transaction(async (tx) => {
    await tx`lock table conventions, hooks, schemas in access exclusive mode`;
    const all = await Promise.all(
      Array.from({ length: 40 }, () => daemon.send('GET', '/api/v1/conventions')).concat(
        Array.from({ length: 10 }, () =>
          daemon.send('POST', '/api/v1/data/tests/records', { headers, body: 'not JSON' }),
        ),
      ),
    );
    expect(all.slice(40).map(({ status }) => status)).not.toContain(400);
  });
  await owner.close();
});

test('all who read the document of the routes are sent the same bytes, so those who stop hold no copies', async () => {
  const parts = { version: '1', reads: 'public', metrics: { text: async () => '' } };
  const { openapi } = serviceRoutes(parts as never);
  const call = { reply: { type: () => undefined } } as never;
  const answer: unknown = await openapi(call);
  expect(answer).toBeInstanceOf(Buffer);
  expect(await openapi(call)).toBe(answer);
});

async function disposable(http: object) {
  const daemon = await testDaemon({ http });
  return Object.assign(daemon, { [Symbol.asyncDispose]: () => daemon.close() });
}
