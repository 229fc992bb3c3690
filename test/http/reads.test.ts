import { bounds } from '@osa/core/limits';
import { anonymousBudget } from '@osa/daemon/http/reads/anonymous';
import { createShares, type Reader, type Turn } from '@osa/daemon/http/reads/shares';
import { describe, expect, test } from 'vitest';
import { everything, rawConnection, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { refusal as refusalOf } from '../support/database/registry-support.ts';

const refusal = async (act: () => Promise<unknown>) => refusalOf(act());

/** The most that readers may take from each other and from everybody else. */

describe('readers without a token', () => {
  test('are asked to wait when their requests are used up; others, probes and writers are not', async () => {
    await using daemon = await disposable({ anonymousRequests: 3 });
    const ask = (headers = {}) => daemon.send('GET', '/api/v1/hooks', { headers });
    for (let n = 0; n < 3; n += 1) expect((await ask()).status).toBe(200);
    const refused = await ask();
    expect([refused.status, refused.problem?.code]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1);
    expect((await ask({ authorization: await daemon.bearer([]) })).status).toBe(200);
    for (const path of ['/health', '/ready', '/metrics', '/openapi.json']) {
      expect((await daemon.send('GET', path)).status).toBe(200);
    }
    const authorization = await daemon.bearer(everything);
    const headers = { authorization, 'content-type': 'application/json' };
    expect((await daemon.send('POST', '/api/v1/hooks/x/pause', { headers, body: '{}' })).status).toBe(404);
  });

  test('pay for a read that they leave, as for the largest page', async () => {
    await using daemon = await disposable({ anonymousRows: bounds.pageRows });
    const owner = daemon.database.open(daemon.database.ownerUrl, { max: 2 });
    await owner.transaction(async (tx) => {
      await tx`lock table hooks in access exclusive mode`;
      const reader = await rawConnection(daemon.port);
      reader.socket.write('GET /api/v1/hooks HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await until('the read to begin', async () => {
        const waits = await owner.sql`
          select from pg_stat_activity where application_name like 'osad reads%' and wait_event_type = 'Lock'`;
        return waits.length > 0;
      });
      reader.socket.resetAndDestroy();
      await reader.closed;
    });
    await owner.close();
    const refused = await until('the read to be counted', async () => {
      const { status, problem } = await daemon.send('GET', '/api/v1/hooks');
      return status === 429 && problem;
    });
    expect(refused.details).toMatchObject({ unit: 'rows' });
  });

  test('pay for the rows and the bytes of an answer, and wait the longer for a large one', async () => {
    let clock = 0;
    const budget = anonymousBudget(
      { anonymousRequests: 100, anonymousRows: 60, anonymousBytes: 600 },
      () => clock,
    );
    budget.admit('a');
    budget.spend('a', { rows: 10, bytes: 1_200 });
    expect(await refusal(async () => budget.admit('a'))).toMatchObject({
      code: 'rate_limited',
      details: { unit: 'bytes', retry_after_seconds: 61 },
    });
    budget.admit('b');
    clock = 62_000;
    budget.admit('a');
    budget.spend('a', { rows: 61, bytes: 1 });
    expect((await refusal(async () => budget.admit('a'))).details.unit).toBe('rows');
  });
});

test('a network that leaves reads before they are whole has few of them, begun or not', async () => {
  await using daemon = await disposable({ anonymousRequests: 100 });
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 2 });
  const refused = await owner.transaction(async (tx) => {
    await tx`lock table hooks in access exclusive mode`;
    const readers = await Promise.all(Array.from({ length: 40 }, () => rawConnection(daemon.port)));
    for (const { socket } of readers) socket.write('GET /api/v1/hooks HTTP/1.1\r\nHost: localhost\r\n\r\n');
    // Whoever asks later is heard later, so all of these have been heard now.
    for (let n = 0; n < 5; n += 1) await daemon.send('GET', '/health');
    for (const { socket } of readers) socket.resetAndDestroy();
    await Promise.all(readers.map(({ closed }) => closed));
    for (let n = 0; n < 5; n += 1) await daemon.send('GET', '/health');
    return daemon.send('GET', '/api/v1/data');
  });
  await owner.close();
  expect([refused.status, refused.problem?.details]).toMatchObject([429, { unit: 'requests' }]);
});

describe('turns', () => {
  const limits = {
    reads: 4,
    unreadBytes: { each: 100, all: 250 },
    waiting: { each: 2, all: 4 },
    waitMs: 10_000,
  };
  const stays = new AbortController().signal;
  const nobody = (name: string): Reader => ({ name, isAnonymous: true });
  const known = (name: string): Reader => ({ name, isAnonymous: false });

  function stage(changes: Partial<typeof limits> = {}) {
    const shares = createShares({ ...limits, ...changes });
    const take = (reader: Reader, client = stays, cut = () => undefined) =>
      shares.take({ reader, client, cut });
    /** Whether it has begun already. */
    const begins = async (turn: Promise<Turn>) =>
      Promise.race([turn.then(() => true), new Promise((resolve) => setImmediate(() => resolve(false)))]);
    return { take, begins };
  }

  test('are half of all for one reader, and all but one for readers without a token', async () => {
    const { take, begins } = stage();
    expect(await begins(take(nobody('a')))).toBe(true);
    const second = await take(nobody('a'));
    const third = take(nobody('a'));
    expect(await begins(third)).toBe(false);
    expect(await begins(take(nobody('b')))).toBe(true);
    expect(await begins(take(nobody('c')))).toBe(false);
    expect(await begins(take(known('k')))).toBe(true);
    second.end();
    second.end();
    expect(await begins(third)).toBe(true);
  });

  test('do not begin while a reader has not taken its answers', async () => {
    const { take, begins } = stage();
    const slow = await take(nobody('a'));
    slow.send(120);
    const next = take(nobody('a'));
    expect(await begins(next)).toBe(false);
    const others = [await take(nobody('b')), await take(known('c'))];
    for (const turn of others) turn.send(90);
    const late = take(known('d'));
    expect(await begins(late)).toBe(false);
    slow.end();
    expect([await begins(next), await begins(late)]).toEqual([true, true]);
  });

  test('of clients that have gone are dropped, and those behind come up', async () => {
    const { take, begins } = stage({ reads: 1 });
    const first = await take(known('a'));
    const client = new AbortController();
    const second = take(known('b'), client.signal);
    const third = take(known('c'));
    client.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    first.end();
    expect(await begins(third)).toBe(true);
  });

  test('are refused when too many wait, or none comes in time', async () => {
    const { take } = stage({ reads: 1, waitMs: 200 });
    await take(known('a'));
    const waiting = [take(nobody('b')), take(nobody('b'))];
    expect((await refusal(() => take(nobody('b')))).code).toBe('rate_limited');
    waiting.push(take(known('c')), take(known('d')));
    const late = Promise.all(waiting.map((turn) => refusalOf(turn)));
    expect((await refusal(() => take(known('e')))).code).toBe('busy');
    expect((await late).map(({ code }) => code)).toEqual(Array(4).fill('busy'));
  });
});

async function disposable(http: object) {
  const daemon = await testDaemon({ http });
  return { ...daemon, [Symbol.asyncDispose]: () => daemon.close() };
}
