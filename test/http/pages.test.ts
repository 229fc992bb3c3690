import { type RouteName, routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { bounds } from '@osa/core/limits';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import {
  deployHook,
  deployRequest,
  everything,
  ndjson,
  type TestDaemon,
  testDaemon,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Pages of lists that nobody could have asked for. */

const lists = (Object.entries(routes) as [RouteName, Route][]).filter(
  ([, { query }]) => query && 'limit' in query.shape,
);

let daemon: TestDaemon;
let ingestion: string;
let recompute: string;
let recall: string;
let replay: string;
let headers: { readonly authorization: string };
beforeAll(async () => {
  daemon = await testDaemon();
  headers = { authorization: await daemon.bearer(everything, { lifetimeSeconds: 600 }) };
  await deployHook(daemon, hookCode('return { features: [{ value: 1 }] }'), 'paged');
  recompute = (await daemon.call('recompute', { params: { name: 'paged' }, json: {} })).id;
  ingestion = await ingested('tests');
  replay = (await daemon.call('replay', { json: { rows: ['paged/1'] } })).id;
  recall = (await daemon.call('openRecall', { json: { release: 'paged@1', reason: 'bad' } })).id;
  await publishSource();
});
afterAll(() => daemon.close());

/** Publishes the source `r0` in a convention that has no hooks, so that it needs no code. */
async function publishSource(): Promise<void> {
  const request = deployRequest();
  const schema = { ...(request.schema as object), id: 'plain-record' };
  await daemon.call('deploy', { json: { ...request, slug: 'plain', schema } });
  await ingested('plain');
}

async function ingested(slug: string): Promise<string> {
  const { id } = await daemon.call('ingest', { params: { slug }, body: ndjson(1) });
  const isEnded = async () => (await daemon.call('showIngestion', { params: { id } })).status === 'completed';
  await until('the ingestion', isEnded, 60_000);
  return id;
}

/** Parts of a query that a list cannot do without. */
const needed: Partial<Record<RouteName, string>> = {
  sourceHistory: 'convention=plain&source_id=r0',
  impactRows: 'release=paged@1',
};

const ask = (name: RouteName, query: string) => {
  const given = needed[name] === undefined ? query : `${needed[name]}&${query}`;
  const path = routes[name].path.replaceAll(/:\w+/g, (parameter) => nameOf(name, parameter));
  return daemon.send('GET', `${path}?${given}`, { headers });
};

/** Names that exist. */
function nameOf(name: RouteName, parameter: string): string {
  const others: Partial<Record<RouteName, string>> = {
    listRecomputeRecords: recompute,
    recallRows: recall,
    listCertificates: replay,
    listRowCertificates: '1',
  };
  const id = others[name] ?? ingestion;
  const names: Readonly<Record<string, string>> = { ':schema': 'test-record', ':id': id };
  return names[parameter] ?? 'paged';
}

/** Readers of published data who ask for too many get a full page. */
const clamped: readonly RouteName[] = ['readRecords', 'readRows', 'impactRows', 'recallRows'];

/** The largest pages that are smaller than those of other lists. */
const largest: Partial<Record<RouteName, number>> = {
  listIngestionFailures: 100,
  sourceHistory: 50,
  readEvents: bounds.eventPage,
  deadEvents: bounds.eventPage,
};

describe.each(lists)('http-20: a page of %s', (name) => {
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
    const { status, problem, text } = await ask(name, query);
    const isClamped = clamped.includes(name) && /^limit=100\d+$/.test(query);
    expect([status, problem?.code], text).toEqual(isClamped ? [200, undefined] : [422, 'invalid']);
  });

  test('of the largest size is answered', async () => {
    const { status, text } = await ask(name, `limit=${largest[name] ?? 1_000}`);
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
      const { status, problem } = await ask(name, `cursor=${cursor}`);
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
      { s: null, id: 'paged 1 x y z' },
      { s: null, id: `paged 1 ${crypto.randomUUID()} 9223372036854775808 1e9` },
    ];
    for (const place of places) {
      const { status, text } = await ask(name, `cursor=${cursorOf({ list: name, ...place })}`);
      expect([200, 422], text).toContain(status);
    }
  });
});

function cursorOf(content: object): string {
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}
