import { Problem } from '@osa/core/api/problem';
import { bounds } from '@osa/core/limits';
import { openApi } from '@osa/daemon/http/openapi';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployRequest, everything, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { longestTurn } from './flood.ts';

/**
 * Requests that are made from the OpenAPI document alone: mostly as it describes them, with parts that it does not. The
 * seed is fixed, so that a failure can be repeated.
 */

const seed = 20_261_129;
const total = 10_000;
const together = 25;
const longestPauseMs = 200;
const answerMs = 10_000;

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly parameters: readonly {
    readonly name: string;
    readonly in: 'path' | 'query' | 'header';
    readonly required: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}

const document = JSON.parse(JSON.stringify(openApi({ version: '1', reads: 'public' }))) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};

const known = ['tests', 'test-record', 'test-record@1.0.0', 'tests-2', 'urn:osa:localhost:rec:x@1', '1'];
const oddText = fc.oneof(
  fc.constantFrom(...known),
  fc.constantFrom(
    '',
    '0',
    '-1',
    '1e9',
    'null',
    '\u0000',
    '\ufeff',
    '\u202e',
    '../..',
    '%',
    "'--",
    '*',
    '**',
    'a*b',
  ),
  fc.constantFrom('0000-01-01T00:00:00Z', '2026-01-01T00:00:00+23:59', '9'.repeat(60), 'a'.repeat(3_000)),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
const odd = fc.oneof(oddText, fc.jsonValue({ maxDepth: 3 }), fc.maxSafeInteger(), fc.double());

/** Nine of ten values are as the document has them, as far as this reads it. */
function usually(schema: Schema, depth = 0): fc.Arbitrary<unknown> {
  return fc.oneof({ arbitrary: described(schema, depth), weight: 9 }, { arbitrary: odd, weight: 1 });
}

function described(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  if (depth > 8) return fc.constant(null);
  const next = (inner: Schema) => usually(inner, depth + 1);
  if (schema.$ref !== undefined) {
    return described(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {}, depth + 1);
  }
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices) return fc.oneof(...choices.map(next));
  const [type] = [schema.type ?? 'any'].flat();
  switch (type) {
    case 'string':
      return textOf(schema);
    case 'integer':
      return fc.integer({
        min: Math.max(schema.minimum ?? -5, -(2 ** 31)),
        max: Math.min(schema.maximum ?? 99, 2 ** 31 - 1),
      });
    case 'number':
      return fc.double();
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(next(schema.items ?? {}), { maxLength: 3 });
    case 'object': {
      const members = Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, next(inner)]);
      return fc.record(Object.fromEntries(members), {
        requiredKeys: [...(schema.required ?? [])] as never[],
      });
    }
    default:
      return odd;
  }
}

function textOf({ format }: Schema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid();
  if (format === 'date-time') return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
  return oddText;
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly documented: readonly string[];
}

function requestsOf(path: string, method: string, operation: Operation): fc.Arbitrary<Sent> {
  const parameters = fc.record(
    Object.fromEntries(operation.parameters.map((one) => [`${one.in} ${one.name}`, usually(one.schema)])),
    {
      requiredKeys: operation.parameters.filter((one) => one.required).map((one) => `${one.in} ${one.name}`),
    },
  );
  const [media] = Object.entries(operation.requestBody?.content ?? {});
  const body = media
    ? usually(media[1].schema).map((value) => JSON.stringify(value) ?? '')
    : fc.constant(undefined);
  return fc.record({ parameters, body, isSigned: fc.integer({ min: 0, max: 9 }) }).map((made) => {
    const given = Object.entries(made.parameters).map(
      ([name, value]) => [name, name === 'query wait' ? soon(textIn(value)) : textIn(value)] as const,
    );
    const of = (place: string) =>
      given.flatMap(([name, value]) =>
        name.startsWith(`${place} `) ? [[name.slice(place.length + 1), value] as const] : [],
      );
    const query = new URLSearchParams(of('query').map(([name, value]) => [name, value])).toString();
    const filled = of('path').reduce(
      (text, [name, value]) => text.replace(`{${name}}`, segment(value)),
      path,
    );
    const headers = of('header').map(([name, value]) => [name, value.replaceAll(/[^\x21-\x7e]/g, '')]);
    return {
      method: method.toUpperCase(),
      path: query === '' ? filled : `${filled}?${query}`,
      headers: {
        ...Object.fromEntries(headers),
        ...(media && { 'content-type': media[0] }),
        ...(made.isSigned > 0 && { authorization }),
      },
      body: made.body,
      documented: Object.keys(operation.responses),
    };
  });
}

const textIn = (value: unknown) =>
  (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).toWellFormed();
/** A wait is answered late by contract, so none that is accepted is longer than a second. */
const soon = (seconds: string) =>
  /^\d+$/.test(seconds) && Number(seconds) <= bounds.eventWaitSeconds ? '1' : seconds;
/** A client resolves `.` and `..` before it sends them. */
const segment = (text: string) => encodeURIComponent(/^\.{0,2}$/.test(text) ? 'x' : text.slice(0, 400));

let daemon: TestDaemon;
let authorization: string;
beforeAll(async () => {
  daemon = await testDaemon();
  authorization = await daemon.bearer(everything, { lifetimeSeconds: 3_000 });
  await daemon.call('deploy', { json: deployRequest() });
});
afterAll(() => daemon.close());

async function hold(sent: Sent): Promise<void> {
  const late = AbortSignal.timeout(answerMs);
  const hang = new Promise<never>((_, reject) => {
    late.addEventListener('abort', () =>
      reject(new Error(`no answer: ${JSON.stringify(sent).slice(0, 2_000)}`)),
    );
  });
  const { body, method, path, headers } = sent;
  const answer = await Promise.race([
    daemon.send(method, path, { headers, ...(body !== undefined && { body }) }),
    hang,
  ]);
  const shown = `${method} ${path} ${body}\n${answer.text}`.slice(0, 4_000);
  expect(answer.status, shown).toBeLessThan(500);
  expect(sent.documented, shown).toContain(String(answer.status));
  if (answer.status >= 400) Problem.parse(JSON.parse(answer.text));
}

/** The longest pause of the event loop, which the daemon shares with this test, while all are sent. */
async function pauseOf(requests: readonly Sent[]): Promise<number> {
  return (await longestTurn(() => Promise.all(requests.map(hold)))).ms;
}

test('http-28: ten thousand requests from the document: no fault of ours, none without an answer, none that stalls', {
  timeout: 600_000,
}, async () => {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const each = Math.ceil(total / operations.length);
  let sent = 0;
  for (const { path, method, operation } of operations) {
    const requests = fc.sample(requestsOf(path, method, operation), { seed, numRuns: each });
    for (let first = 0; first < requests.length; first += together) {
      const some = requests.slice(first, first + together);
      const pauseMs = await pauseOf(some);
      expect(pauseMs, `${method} ${path} from ${first}`).toBeLessThan(longestPauseMs);
      sent += some.length;
    }
  }
  expect(sent).toBeGreaterThanOrEqual(total);
});
