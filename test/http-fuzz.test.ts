import { Problem, type Route, type RouteName, routes } from '@osa/core/api';
import { openApi } from '@osa/daemon/openapi';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { declaration, deployRequest, everything, type TestDaemon, testDaemon } from './daemon-support.ts';

/**
 * Requests that nobody would write, to every route, by somebody who may do all: no answer is a fault of ours, each
 * status is one that the document of the routes names, and each body has the shape that goes with it.
 */

let daemon: TestDaemon;
let authorization: string;
beforeAll(async () => {
  daemon = await testDaemon();
  authorization = await daemon.bearer(everything, { lifetimeSeconds: 3_000 });
  await daemon.call('deploy', { json: deployRequest() });
});
afterAll(() => daemon.close());

const all = Object.entries(routes) as [RouteName, Route][];
const { paths } = openApi({ version: '1', reads: 'public' });

const oddText = fc.oneof(
  fc.constantFrom(
    'tests',
    'probe',
    'test-record',
    'test-record@1.0.0',
    '1',
    '0',
    '-1',
    'null',
    '1e9',
    '0x10',
  ),
  fc.constantFrom(
    "'; drop table hooks;--",
    '"',
    '%',
    '\u0000',
    '\ufeff',
    '\u202e',
    'ﬀ',
    '../../etc/passwd',
    '*',
    '{}',
  ),
  fc.constantFrom(
    'urn:osa:localhost:rec:x@1',
    '00000000-0000-7000-8000-000000000000',
    '9'.repeat(40),
    'a'.repeat(300),
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const oddJson = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.record(
    {
      to: fc.oneof(fc.integer(), fc.double(), fc.jsonValue({ maxDepth: 1 })),
      reason: fc.oneof(oddText, fc.constant('x'.repeat(3_000))),
      expected_live_seq: fc.oneof(fc.integer(), fc.maxSafeInteger()),
    },
    { requiredKeys: [] },
  ),
  // A deploy with one thing wrong, or with one hook of any name.
  fc
    .tuple(fc.constantFrom(...Object.keys(deployRequest())), fc.jsonValue({ maxDepth: 2 }))
    .map(([key, value]) => ({
      ...deployRequest(),
      [key]: value,
    })),
  oddText.map((name) => deployRequest([declaration(name, `sha256:${'0'.repeat(64)}`)])),
);
const request = fc.record({
  values: fc.array(oddText, { minLength: 2, maxLength: 2 }),
  query: fc.dictionary(
    fc.constantFrom('limit', 'cursor', 'history', 'release', 'status', 'batch_size', 'x'),
    oddText,
    { maxKeys: 2 },
  ),
  json: oddJson,
  headers: fc.dictionary(
    fc.constantFrom('idempotency-key', 'if-match', 'accept', 'x-forwarded-for', 'range'),
    fc.constantFrom('"1"', 'k', '*', 'bytes=0-', 'é', '"'),
    { maxKeys: 2 },
  ),
});

test.each(all)('%s', { timeout: 60_000 }, async (name, route) => {
  await fc.assert(
    fc.asyncProperty(request, async ({ values, query, json, headers }) => {
      let index = 0;
      const path = route.path.replace(/:\w+/g, () => segment(values[index++] ?? ''));
      const search = new URLSearchParams(query).toString();
      const latin1 = Object.entries(headers).map(([key, value]) => [
        key,
        Buffer.from(value).toString('latin1'),
      ]);
      const { status, text } = await daemon.send(route.method, search === '' ? path : `${path}?${search}`, {
        headers: { authorization, ...Object.fromEntries(latin1), ...contentType(route) },
        ...(route.body === undefined ? {} : { body: JSON.stringify(json) }),
      });
      expect(status, text).toBeLessThan(500);
      expect(documented(route)).toContain(String(status));
      if (status >= 400) Problem.parse(JSON.parse(text));
      else if (route.response !== 'text') route.response.parse(JSON.parse(text));
    }),
    { numRuns: name === 'metrics' || name === 'openapi' ? 5 : 100 },
  );
});

/** A client resolves `.` and `..` before it sends them. */
function segment(text: string): string {
  return /^\.{0,2}$/.test(text) ? 'x' : encodeURIComponent(text.toWellFormed());
}

function contentType({ body }: Route): Record<string, string> {
  if (body === undefined) return {};
  return { 'content-type': typeof body === 'string' ? body : 'application/json' };
}

function documented(route: Route): string[] {
  const path = route.path.replace(/:(\w+)/g, '{$1}');
  const operations = paths as Record<string, Record<string, { responses: object }>>;
  return Object.keys(operations[path]?.[route.method.toLowerCase()]?.responses ?? {});
}
