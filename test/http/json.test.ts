import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { type RouteName, routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { bounds } from '@osa/core/limits';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  declaration,
  deployRequest,
  everything,
  ndjson,
  type Received,
  type TestDaemon,
  testDaemon,
} from '../support/daemon-support.ts';
import { declaration as imageDeclaration } from '../support/database/registry-support.ts';
import { accepted, refused } from '../support/fixtures/json-texts.ts';

/** Bodies of JSON: what they are said to be, whether they can be read, and whether they are what a route takes. */

let daemon: TestDaemon;
let authorization: string;
beforeAll(async () => {
  daemon = await testDaemon();
  authorization = await daemon.bearer(everything, { lifetimeSeconds: 600 });
  await daemon.call('deploy', { json: deployRequest([imageDeclaration({ name: 'typed' })]) });
});
afterAll(() => daemon.close());

const deployPath = '/api/v1/conventions';
const releasePath = '/api/v1/hooks/nothing/releases';
const ingestPath = '/api/v1/conventions/tests/ingestions';
const blobPath = `/api/v1/blobs/${'0'.repeat(64)}`;

function post(
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Received> {
  const type = { 'content-type': 'application/json' };
  return daemon.send('POST', path, { body, headers: { authorization, ...type, ...headers } });
}

describe('http-08: a content type', () => {
  test.each([
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'application/jsonp',
    'application/x-ndjson',
    'json',
    '',
  ])('JSON as %j is refused', async (type) => {
    const { status, problem } = await post(deployPath, JSON.stringify(deployRequest()), {
      'content-type': type,
    });
    expect([status, problem?.code]).toEqual([415, 'unsupported_media_type']);
  });

  test('no type at all is refused', async () => {
    const headers = { authorization };
    expect((await daemon.send('POST', deployPath, { headers, body: '{}' })).status).toBe(415);
    expect((await daemon.send('POST', deployPath, { headers })).status).toBe(415);
  });

  test.each(['application/json', 'application/json; charset=UTF-8', 'Application/JSON;charset="utf-8"'])(
    '%j is JSON',
    async (type) => {
      expect((await post(deployPath, JSON.stringify(deployRequest()), { 'content-type': type })).status).toBe(
        201,
      );
    },
  );

  test('records as JSON and a blob as text are refused', async () => {
    expect((await post(ingestPath, ndjson(1), { 'content-type': 'application/json' })).status).toBe(415);
    const headers = { authorization, 'content-type': 'text/plain' };
    expect((await daemon.send('PUT', blobPath, { headers, body: 'x' })).status).toBe(415);
  });
});

describe('http-05: a body that would grow a thousandfold', () => {
  const zeros = Buffer.alloc(32 * 2 ** 20);
  const bombs = {
    gzip: gzipSync(zeros),
    br: brotliCompressSync(zeros),
    deflate: deflateSync(zeros),
    identity: Buffer.from(JSON.stringify(deployRequest())),
  };

  test.each(Object.entries(bombs))(
    'is not unpacked: Content-Encoding %s is refused',
    async (encoding, body) => {
      if (encoding !== 'identity') expect(zeros.length / body.length).toBeGreaterThan(900);
      const encoded = { authorization, 'content-encoding': encoding };
      const answers = [
        await post(deployPath, body, encoded),
        await post(ingestPath, body, { ...encoded, 'content-type': 'application/x-ndjson' }),
        await daemon.send('PUT', blobPath, {
          body,
          headers: { ...encoded, 'content-type': 'application/octet-stream' },
        }),
      ];
      for (const { status, problem } of answers) {
        expect([status, problem?.field]).toEqual([415, 'Content-Encoding']);
      }
    },
  );
});

describe('text that cannot be read', () => {
  const invalid = [...new Set([...refused, ...mutilated()])];

  test(`http-09: each of ${invalid.length} texts that are no JSON is malformed`, async () => {
    expect(invalid.length).toBeGreaterThan(188);
    const wrong: unknown[] = [];
    const queue = invalid.values();
    const send = async () => {
      for (const text of queue) {
        const { status, problem } = await post(deployPath, text);
        if (status !== 400 || problem?.code !== 'malformed') wrong.push([text, status, problem]);
      }
    };
    await Promise.all(Array.from({ length: 8 }, send));
    expect(wrong).toEqual([]);
  });

  test.each([
    ['0xff', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['UTF-16 with its mark', Buffer.from('\ufeff{}', 'utf16le')],
    ['UTF-16 without', Buffer.from('{}', 'utf16le')],
  ])('http-09: bytes that are not UTF-8 are malformed: %s', async (_name, body) => {
    expect((await post(deployPath, body)).problem).toMatchObject({ status: 400, code: 'malformed' });
  });

  test.each([
    ['http-10', 'a key twice', '{"title": "a", "title": "b"}'],
    ['http-10', 'a key twice, escaped', '{"title": "a", "titl\\u0065": "b"}'],
    ['http-10', 'a key twice that has the same value', '{"digest": 1, "digest": 1}'],
    ['http-10', 'a key twice, deep down', '{"config": {"a": [{"b": 1, "c": 2, "b": 3}]}}'],
    ['http-11', '__proto__', '{"__proto__": {"x": 1}}'],
    ['http-11', '__proto__ in a config', '{"config": {"__proto__": {"x": 1}}}'],
    ['http-11', '__proto__ in a list', '{"hooks": [{"config": {"__proto__": {"x": 1}}}]}'],
    ['http-11', '__proto__, escaped', '{"config": {"\\u005f_proto__": {"x": 1}}}'],
    ['http-14', 'a config too deep', `{"config": {"a": ${'['.repeat(10_000)}${']'.repeat(10_000)}}}`],
  ])('%s: with %s is malformed', async (_case, _name, body) => {
    for (const path of [deployPath, releasePath]) {
      const { status, problem } = await post(path, body);
      expect([status, problem?.code]).toEqual([400, 'malformed']);
    }
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    expect({}).not.toHaveProperty('x');
  });

  test('http-14: with a config of 10 MiB is too large', async () => {
    const body = JSON.stringify({ config: { a: 'x'.repeat(10 * 2 ** 20) } });
    expect(body.length).toBeGreaterThan(2 * bounds.requestBytes);
    expect((await post(releasePath, body)).problem).toMatchObject({ status: 413, code: 'too_large' });
  });
});

/** Valid texts, each without one of its characters or with another one there; JSON.parse decides. */
function mutilated(): string[] {
  const texts = accepted.flatMap((text) =>
    [...text].flatMap((_, index) => {
      const [head, tail] = [text.slice(0, index), text.slice(index + 1)];
      return ['', ',', ']', '}', '"', ':', '\\', '\u0001'].map((other) => head + other + tail);
    }),
  );
  return texts.filter((text) => {
    try {
      JSON.parse(text);
      return false;
    } catch {
      return true;
    }
  });
}

describe('JSON that breaks the contract', () => {
  // Metadata are checked by their schema.
  const takesJson = (Object.entries(routes) as [RouteName, Route][]).filter(
    ([, { body, digitsIn }]) => typeof body === 'object' && digitsIn !== 'body',
  );

  test.each(takesJson)('http-12: a member that %s does not know is refused', async (_name, route) => {
    const path = route.path.replaceAll(/:\w+/g, (name) => (name === ':id' ? crypto.randomUUID() : 'tests'));
    const headers = { authorization, 'content-type': 'application/json' };
    const body = JSON.stringify({ surprise: 1 });
    const { status, problem } = await daemon.send(route.method, path, { headers, body });
    expect([status, problem?.code]).toEqual([422, 'invalid']);
    expect(problem?.details?.problems).toContainEqual(expect.objectContaining({ field: 'surprise' }));
  });

  test('http-12: what later schemas may say of a field is left to them', async () => {
    const field = { name: 'value', type: 'number', required: true, cardinality: 'exactly_one' };
    const constraints = { type: 'number', max: 3, surprise: { a: 1 } };
    const fields = [{ ...field, constraints, surprise: 1 }];
    const schema = { id: 'tolerant', version: '1.0.0', fields };
    const json = { ...deployRequest(), slug: 'tolerant', schema };
    const { status, text } = await post(deployPath, JSON.stringify(json));
    expect(status, text).toBe(201);
  });

  test.each([
    ['a member that is not known', { ...deployRequest(), ttile: 'x' }, 'ttile'],
    ['text for a list', { ...deployRequest(), hooks: 'x' }, 'hooks'],
    ['a list', [], ''],
    ['a missing title', { ...deployRequest(), title: undefined }, 'title'],
    [
      'an injection in a name',
      deployRequest([declaration('x"; drop schema public cascade;--', `sha256:${'0'.repeat(64)}`)]),
      'hooks[0].name',
    ],
    [
      'a digest without its name',
      deployRequest([declaration('x', '0'.repeat(64))]),
      'hooks[0].release.digest',
    ],
  ])('with %s is invalid, and says where', async (_name, json, field) => {
    const { status, problem } = await post(deployPath, JSON.stringify(json));
    expect([status, problem?.code, problem?.field]).toEqual([422, 'invalid', field]);
  });

  test('with several problems names all of them', async () => {
    const { problem } = await post(
      deployPath,
      JSON.stringify({ ...deployRequest(), title: 7, description: '', x: 1 }),
    );
    const places = ['description', 'title', 'x'].map((field) => expect.objectContaining({ field }));
    expect(problem?.details?.problems).toEqual(expect.arrayContaining(places));
    expect(problem?.details?.problems).toHaveLength(3);
  });

  test('with limits that are none names each once', async () => {
    const limits = { memory: '5q', cpu: 'x'.repeat(17) };
    const { problem } = await post(releasePath, JSON.stringify({ limits }));
    expect(problem?.details?.problems).toEqual([
      { field: 'limits.memory', message: expect.stringContaining('must be a number with an optional unit') },
      { field: 'limits.cpu', message: expect.stringContaining('must have at most 16 characters') },
    ]);
  });

  test.each(['"1"', '1.5', '-1', '0', '2147483648', 'true', '[1]', 'null', '{}', '"x"'])(
    'http-13: a version %s is invalid',
    async (version) => {
      const asked = [
        ['POST', 'rollback', 'to'],
        ['POST', 'rollback', 'expected_live_version'],
        ['POST', 'releases', 'expected_live_seq'],
        ['PUT', 'live', 'version'],
      ] as const;
      for (const [method, verb, field] of asked) {
        const headers = { authorization, 'content-type': 'application/json' };
        const body = `{"${field}": ${version}}`;
        const found = await daemon.send(method, `/api/v1/hooks/typed/${verb}`, { headers, body });
        expect([found.status, found.problem?.field]).toEqual([422, field]);
      }
    },
  );

  test.each(['"2147483648"', '"999999999999999"'])(
    'http-13: If-Match %s is no ETag of a hook',
    async (etag) => {
      const { status, problem } = await post('/api/v1/hooks/typed/releases', '{}', { 'if-match': etag });
      expect([status, problem?.field]).toEqual([422, 'If-Match']);
    },
  );

  test('http-13: a version that no double holds is malformed', async () => {
    const { problem } = await post('/api/v1/hooks/nothing/rollback', '{"to": 9007199254740993}');
    expect(problem).toMatchObject({ status: 400, code: 'malformed' });
  });
});
