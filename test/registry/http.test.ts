import { join } from 'node:path';
import { routes } from '@osa/core/api';
import { startDaemon } from '@osa/daemon/daemon';
import { createLog } from '@osa/daemon/log';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { everything, type TestDaemon, testConfig, testDaemon } from '../support/daemon-support.ts';
import { codeOf, declaration, digestOf } from '../support/database/registry-support.ts';

/** The registry as clients of the API see it: statuses, headers and bodies. */

let daemon: TestDaemon;
/** Four daemons on one database; the first is `daemon`. */
let urls: string[];
let authorization: string;
beforeAll(async () => {
  daemon = await testDaemon();
  authorization = await daemon.bearer(everything);
  const { key, database } = daemon;
  const others = await Promise.all(
    [2, 3, 4].map(async (n) => {
      const directory = join(daemon.directory, `daemon-${n}`);
      const config = await testConfig({ url: database.appUrl, directory, key });
      return startDaemon(config, { log: createLog({ level: 'silent', readable: false }) });
    }),
  );
  urls = [daemon.url, ...others.map(({ url }) => url)];
  return async () => {
    await Promise.all(others.map((other) => other.close()));
  };
});
afterAll(() => daemon.close());

interface Answered {
  readonly status: number;
  readonly etag: unknown;
  readonly json: Readonly<Record<string, unknown>>;
}

async function send(
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  { json, headers = {}, url = daemon.url }: { json?: unknown; headers?: object; url?: string } = {},
): Promise<Answered> {
  const {
    statusCode,
    headers: answered,
    body,
  } = await request(`${url}/api/v1${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json', ...headers },
    body: json === undefined ? null : JSON.stringify(json),
  });
  const answer = (await body.json()) as Answered['json'];
  return { status: statusCode, etag: answered.etag, json: answer };
}

async function deployed(slug: string, hook: string): Promise<void> {
  const json = {
    slug,
    title: slug,
    description: 'A convention for tests',
    schema: {
      id: slug,
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [declaration({ name: hook })],
  };
  expect((await send('POST', '/conventions', { json })).status).toBe(201);
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
const tally = (answers: readonly Answered[]) =>
  Object.fromEntries(
    [...Map.groupBy(answers, ({ status }) => status)].map(([status, { length }]) => [status, length]),
  );

test('a release request that is sent again after a rollback finds its release and moves nothing', async () => {
  await deployed('sent-again', 'sent_again');
  const json = { image: `x@${digestOf('c')}`, source_ref: 'git:c' };
  const release = () => send('POST', '/hooks/sent_again/releases', { json });
  expect(await release()).toMatchObject({ status: 201, json: { version: 2, created: true, live: true } });
  const limits = { json: { limits: { memory: '3g' } } };
  expect(await send('POST', '/hooks/sent_again/releases', limits)).toMatchObject({ status: 201 });
  await send('POST', '/hooks/sent_again/rollback', { json: { to: 1 } });
  const known = { version: 3, created: false, live: false, live_version: 1 };
  expect(await release()).toMatchObject({ status: 200, json: known });
});

describe.each([
  ['one daemon', 1],
  ['four daemons', 4],
])('100 parallel releases over %s', (_name, count) => {
  const post = (hook: string, client: number, json: unknown) =>
    send('POST', `/hooks/${hook}/releases`, { json, url: urls[client % count] ?? '' });

  test('http-21: that are the same: one 201, 99 times 200, one id', async () => {
    const hook = `same_over_${count}`;
    await deployed(`same-over-${count}`, hook);
    const json = { image: 'x', digest: digestOf(2), config: { a: 1 }, source_ref: 'git:2' };
    const answers = await Promise.all(numbers(100).map((client) => post(hook, client, json)));
    expect(tally(answers)).toEqual({ 200: 99, 201: 1 });
    expect(new Set(answers.map((answer) => answer.json.id)).size).toBe(1);
    expect(answers.every((answer) => (answer.status === 201) === answer.json.created)).toBe(true);
  });

  test('http-22: that differ: 100 times 201, the next 100 versions', async () => {
    const hook = `apart_over_${count}`;
    await deployed(`apart-over-${count}`, hook);
    const answers = await Promise.all(
      numbers(100).map((client) => post(hook, client, codeOf(`apart ${client}`))),
    );
    expect(tally(answers)).toEqual({ 201: 100 });
    const versions = answers.map((answer) => Number(answer.json.version)).sort((a, b) => a - b);
    expect(versions).toEqual(numbers(100).map((index) => index + 2));
    const { json } = await send('GET', `/hooks/${hook}/history?limit=1000`);
    expect(json.changes).toHaveLength(101);
    const last = answers.find((answer) => answer.json.live_seq === 101);
    const live = { version: last?.json.version, id: last?.json.id };
    const shown = await send('GET', `/hooks/${hook}`);
    expect(shown).toMatchObject({ etag: '"101"', json: { live_seq: 101, live } });
  });
});

test('http-23: 1,000 releases and moves among each other: each answer and each look is one in the history', async () => {
  await deployed('interleaved', 'interleaved');
  /** The live versions and their changes, as somebody was told. */
  const told: { seq: unknown; version: unknown }[] = [];
  const made = { releases: 0, moves: 0 };
  const work = async (n: number) => {
    const url = urls[n % 4] ?? '';
    if (n % 2 === 0) {
      const json = codeOf(`interleaved ${n}`);
      const answer = await send('POST', '/hooks/interleaved/releases', { json, url });
      expect(answer.status).toBe(201);
      made.releases += 1;
      told.push({ seq: answer.json.live_seq, version: answer.json.version });
    } else {
      const version = 1 + (n % (made.releases + 1));
      const answer = await send('PUT', '/hooks/interleaved/live', { json: { version }, url });
      expect([answer.status, answer.json.live_version]).toEqual([200, version]);
      if (answer.json.changed) made.moves += 1;
      told.push({ seq: answer.json.live_seq, version });
    }
    if (n % 10 !== 0) return;
    const { json } = await send('GET', '/hooks/interleaved', { url });
    told.push({ seq: json.live_seq, version: (json.live as { version: number }).version });
  };
  const queue = numbers(1_000).values();
  const client = async () => {
    for (const n of queue) await work(n);
  };
  await Promise.all(numbers(16).map(client));

  const changes = await wholeHistory('interleaved');
  expect(changes).toHaveLength(1 + made.releases + made.moves);
  expect(made.releases).toBe(500);
  expect(made.moves).toBeGreaterThan(100);
  expect(changes.map(({ seq }) => seq)).toEqual(numbers(changes.length).map((index) => index + 1));
  expect(changes.map(({ from_version }) => from_version)).toEqual([
    null,
    ...changes.slice(0, -1).map(({ to_version }) => to_version),
  ]);
  const byRelease = changes.filter(({ kind }) => kind === 'release').map(({ to_version }) => to_version);
  expect(byRelease).toEqual(numbers(501).map((index) => index + 1));
  for (const { seq, version } of told) expect(changes[Number(seq) - 1]?.to_version).toBe(version);
}, 60_000);

interface Moved {
  readonly seq: number;
  readonly kind: string;
  readonly from_version: number | null;
  readonly to_version: number;
}

/** Oldest first. */
async function wholeHistory(hook: string): Promise<Moved[]> {
  const found: Moved[] = [];
  for (let cursor = ''; ; ) {
    const { json } = await send('GET', `/hooks/${hook}/history?limit=1000${cursor}`);
    found.push(...(json.changes as Moved[]));
    if (!json.next_cursor) return found.reverse();
    cursor = `&cursor=${json.next_cursor}`;
  }
}

describe('a move of the pointer', () => {
  beforeAll(async () => {
    await deployed('moved', 'moved');
    for (const seed of [2, 3]) await send('POST', '/hooks/moved/releases', { json: codeOf(seed) });
  });

  test('takes the ETag that a look at the hook gave, once', async () => {
    const { etag } = await send('GET', '/hooks/moved');
    expect(etag).toBe('"3"');
    const back = () => send('POST', '/hooks/moved/rollback', { json: {}, headers: { 'if-match': etag } });
    expect(await back()).toMatchObject({
      status: 200,
      json: { from_version: 3, live_version: 2, live_seq: 4 },
    });
    expect(await back()).toMatchObject({
      status: 412,
      json: {
        code: 'precondition_failed',
        status: 412,
        title: expect.any(String),
        detail: expect.any(String),
        message: expect.any(String),
        details: { live_version: 2, live_seq: 4 },
      },
    });
  });

  test.each([
    ['PUT', '/hooks/moved/live', { version: 3 }],
    ['POST', '/hooks/moved/rollback', {}],
    ['POST', '/hooks/moved/releases', codeOf('stale')],
  ] as const)('%s %s with any stale expectation is a 412', async (method, path, json) => {
    const before = (await send('GET', '/hooks/moved')).json;
    const stale = [
      { headers: { 'if-match': '"3"' }, json },
      { json: { ...json, expected_live_seq: 3 } },
      { json: { ...json, expected_live_version: 1 } },
      { json: { ...json, expected_live_version: 2, expected_live_seq: 3 } },
    ];
    for (const sending of stale) expect((await send(method, path, sending)).status).toBe(412);
    expect((await send('GET', '/hooks/moved')).json).toEqual(before);
  });

  test.each(['3', 'W/"3"', '"0"', '"03"', '"a"', '*', '"3", "4"', ''])(
    'refuses If-Match: %s, which is no ETag of a hook',
    async (etag) => {
      const answer = await send('POST', '/hooks/moved/rollback', { json: {}, headers: { 'if-match': etag } });
      expect(answer).toMatchObject({ status: 422, json: { code: 'invalid', field: 'If-Match' } });
    },
  );

  test('refuses a header and a body that expect different changes', async () => {
    const json = { expected_live_seq: 3 };
    const answer = await send('POST', '/hooks/moved/rollback', { json, headers: { 'if-match': '"4"' } });
    expect(answer).toMatchObject({ status: 422, json: { field: 'If-Match' } });
  });

  test('with an idempotency key is made once, and answered twice', async () => {
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const put = (version: number) => send('PUT', '/hooks/moved/live', { json: { version }, headers });
    const first = await put(3);
    expect(first).toMatchObject({ status: 200, json: { changed: true, live_version: 3 } });
    expect((await put(3)).json).toEqual(first.json);
    expect(await put(1)).toMatchObject({ status: 422, json: { code: 'idempotency_mismatch' } });
  });

  test('without the right to the hook is a 403 that names the scope', async () => {
    for (const path of ['rollback', 'releases']) {
      const headers = { authorization: await daemon.bearer(['hooks:write:other', 'conventions:write']) };
      const answer = await send('POST', `/hooks/moved/${path}`, { json: {}, headers });
      expect(answer).toMatchObject({ status: 403, json: { details: { scope: 'hooks:write:moved' } } });
    }
  });
});

test('a release keeps its status 201 when its answer is repeated', async () => {
  await deployed('repeated', 'repeated');
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const json = codeOf(2);
  const post = () => send('POST', '/hooks/repeated/releases', { json, headers });
  const answers = [await post(), await post()];
  expect(answers[0]).toMatchObject({ status: 201, json: { created: true, version: 2 } });
  expect(answers[1]).toEqual(answers[0]);
  expect(routes.release.response.parse(answers[0]?.json)).toEqual(answers[0]?.json);
});

test('a cursor of another list is refused', async () => {
  await deployed('cursors', 'cursors');
  await send('POST', '/hooks/cursors/releases', { json: codeOf(2) });
  const [versions, deploys] = ['/hooks/cursors/releases', '/deploys'];
  const cursorOf = async (path: string) => (await send('GET', `${path}?limit=1`)).json.next_cursor;
  for (const [path, other] of [
    [versions, deploys],
    [deploys, versions],
  ] as const) {
    for (const cursor of ['%25', await cursorOf(other)]) {
      const answer = await send('GET', `${path}?cursor=${cursor}`);
      expect(answer).toMatchObject({ status: 422, json: { code: 'invalid', field: 'cursor' } });
    }
  }
});

test('a deploy that is not there, and a deploy that cannot be', async () => {
  const get = (id: string) => send('GET', `/deploys/${id}`);
  expect(await get(crypto.randomUUID())).toMatchObject({ status: 404, json: { code: 'not_found' } });
  expect(await get('x')).toMatchObject({ status: 422, json: { code: 'invalid', field: 'id' } });
});
