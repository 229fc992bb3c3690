import { type RouteName, routes } from '@osa/core/api';
import { Problem } from '@osa/core/api/problem';
import type { Route } from '@osa/core/api/route';
import { openApi } from '@osa/daemon/http/openapi';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  declaration,
  deployRequest,
  everything,
  type TestDaemon,
  testDaemon,
} from '../support/daemon-support.ts';

/**
 * Requests that nobody would write, to every route, by somebody who may do all or by nobody: no answer is a fault of
 * ours, each status is one that the document of the routes names, each body has the type and the shape that go with it,
 * and nothing passes without a token or against the contract.
 */

let daemon: TestDaemon;
let authorization: string;
beforeAll(async () => {
  daemon = await testDaemon({ http: { failedAuthentications: 100_000 } });
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
  isSigned: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
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

/** Requests to each route, of 10,000 altogether; what is sent together takes half the time. */
const together = 15;
const rounds = Math.ceil(10_000 / all.length / together);

test.each(all)('http-28: %s', { timeout: 120_000 }, async (name, route) => {
  // Their answers are made of everything that there is, and hear of nothing that is asked.
  const numRuns = name === 'metrics' || name === 'openapi' ? 1 : rounds;
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: together, maxLength: together }), async (requests) => {
      await Promise.all(requests.map((sent) => hold(route, sent)));
    }),
    { numRuns },
  );
});

type Sent = typeof request extends fc.Arbitrary<infer T> ? T : never;

/** Sends a request and holds the answer against the contract of the route. */
async function hold(route: Route, { values, query, json, headers, isSigned }: Sent): Promise<void> {
  let index = 0;
  const params: Record<string, string> = {};
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => {
    params[name] = segment(values[index++] ?? '');
    return encodeURIComponent(params[name]);
  });
  const search = new URLSearchParams(query).toString();
  const latin1 = Object.entries(headers).map(([key, value]) => [key, Buffer.from(value).toString('latin1')]);
  const answer = await daemon.send(route.method, search === '' ? path : `${path}?${search}`, {
    headers: { ...(isSigned && { authorization }), ...Object.fromEntries(latin1), ...contentType(route) },
    ...(route.body === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const { status, text } = answer;
  expect(status, text).toBeLessThan(500);
  expect(documented(route)).toContain(String(status));
  const isProblem = status >= 400;
  expect(String(answer.headers['content-type'])).toMatch(typeOf(route, isProblem));
  if (isProblem) Problem.parse(JSON.parse(text));
  else if (typeof route.response !== 'string') route.response.parse(JSON.parse(text));
  // Nobody passes a gate without a token, and nothing passes that the contract refuses.
  if (!isSigned && route.gate.kind !== 'public' && route.gate.kind !== 'read') expect(status, text).toBe(401);
  const isValid =
    (typeof route.body !== 'object' || route.body.safeParse(JSON.parse(JSON.stringify(json))).success) &&
    (route.params?.safeParse(params).success ?? true) &&
    (route.query?.strict().safeParse(query).success ?? true);
  if (!isValid) expect(isProblem, text).toBe(true);
}

function typeOf({ response }: Route, isProblem: boolean): RegExp {
  if (isProblem) return /^application\/problem\+json/;
  if (response === 'archive') return /^application\/octet-stream/;
  if (response === 'html') return /^text\/html/;
  if (response === 'markdown') return /^text\/markdown/;
  return typeof response === 'string' ? /^text\/plain/ : /^application\/json/;
}

/** A client resolves `.` and `..` before it sends them. */
function segment(text: string): string {
  return /^\.{0,2}$/.test(text) ? 'x' : text.toWellFormed();
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
