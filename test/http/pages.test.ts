import { type RouteName, routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deployRequest, everything, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { declaration } from '../support/database/registry-support.ts';

/** Pages of lists that nobody could have asked for. */

const lists = (Object.entries(routes) as [RouteName, Route][]).filter(
  ([, { query }]) => query && 'limit' in query.shape,
);

let daemon: TestDaemon;
let ingestion: string;
let headers: { readonly authorization: string };
beforeAll(async () => {
  daemon = await testDaemon();
  headers = { authorization: await daemon.bearer(everything, { lifetimeSeconds: 600 }) };
  await daemon.call('deploy', { json: deployRequest([declaration({ name: 'paged' })]) });
  ingestion = (await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(1) })).id;
});
afterAll(() => daemon.close());

const ask = (path: string, query: string) =>
  daemon.send('GET', `${path.replaceAll(/:\w+/g, nameOf)}?${query}`, { headers });

/** What is there. */
function nameOf(parameter: string): string {
  const names: Readonly<Record<string, string>> = { ':schema': 'test-record', ':id': ingestion };
  return names[parameter] ?? 'paged';
}

describe.each(lists)('http-20: a page of %s', (name, { path }) => {
  test.each([
    'limit=0',
    'limit=-1',
    'limit=0x10',
    'limit=1e2',
    'limit=%2B1',
    'limit=1.0',
    'limit=%201',
    'limit=١',
    'limit=1001',
    'limit=1000000000',
    'limit=1.5',
    'limit=NaN',
    'limit=',
    'limit=1&limit=2',
    'limit[]=1',
    'lmit=1',
    '__proto__=1',
    `cursor=${'a'.repeat(2_000)}`,
  ])('for %s is refused, or made as large as may be', async (query) => {
    const { status, problem, text } = await ask(path, query);
    // Readers of published data who ask for too many get a full page.
    const isClamped = name.startsWith('read') && /^limit=100\d+$/.test(query);
    expect([status, problem?.code], text).toEqual(isClamped ? [200, undefined] : [422, 'invalid']);
  });

  test('of the largest size is answered', async () => {
    // Reasons are a list to read, and have no further pages.
    const largest = name === 'listIngestionFailures' ? 100 : 1_000;
    const { status, text } = await ask(path, `limit=${largest}`);
    expect(status, text).toBe(200);
  });

  test('with a cursor that is none, or of another list, is invalid', async () => {
    const cursors = [
      'garbage',
      'e30',
      '%25',
      cursorOf({ s: null, id: 'x' }),
      cursorOf({ list: 'nothing', s: null, id: 1 }),
    ];
    for (const cursor of cursors) {
      const { status, problem } = await ask(path, `cursor=${cursor}`);
      expect([cursor, status, problem?.field]).toEqual([cursor, 422, 'cursor']);
    }
  });

  test('with a forged cursor is invalid or answered', async () => {
    const places = [
      { s: 'x', id: 'y' },
      { s: 1, id: 2 },
      { s: null, id: 'x' },
      { s: '2020-01-01', id: 9007199254740991 },
      { s: null, id: 2 ** 40 },
      { s: null, id: -1 },
      { s: '2020-01-01', id: "'; drop table hooks;--" },
    ];
    for (const place of places) {
      const { status, text } = await ask(path, `cursor=${cursorOf({ list: name, ...place })}`);
      expect([200, 422], text).toContain(status);
    }
  });
});

function cursorOf(content: object): string {
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}
