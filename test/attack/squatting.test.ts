import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import {
  declaration,
  deployRequest,
  type Received,
  type TestDaemon,
  testDaemon,
  uploaded,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/**
 * Names that one party can take and another reads. Each party has a token for its own convention, hook and ingestions, and
 * nothing that it does with it changes what others read of a third party's schema, records, hook and rows.
 */

let daemon: TestDaemon;
let digest: string;
let other: string;
beforeAll(async () => {
  daemon = await testDaemon();
  digest = await uploaded(daemon, hookCode('return { features: [{ value: metadata.value ?? 0 }] };'));
  other = await uploaded(daemon, hookCode('return { features: [{ value: -1 }] };'));
});
afterAll(() => daemon.close());

const hookOf = (party: string) => `${party.replaceAll('-', '_')}_hook`;
const schemaOf = (party: string) => `${party}-schema`;

/** A request of `party`, whose token names its own things only. */
async function as(party: string, method: string, path: string, body?: unknown): Promise<Received> {
  const scopes = [`conventions:write:${party}`, `hooks:write:${hookOf(party)}`, `ingestions:write:${party}`];
  const isText = typeof body === 'string';
  return daemon.send(method, `/api/v1/${path}`, {
    headers: {
      authorization: await daemon.bearer(scopes, { subject: party }),
      'content-type': isText ? 'application/x-ndjson' : 'application/json',
      'idempotency-key': `${path}-${JSON.stringify(body)}`.replace(/[^!-~]/g, '').slice(0, 200),
    },
    body: isText ? body : JSON.stringify(body ?? {}),
  });
}

interface Wanted {
  readonly slug: string;
  readonly schema: string;
  readonly version?: string;
  readonly type?: string;
  readonly hooks?: readonly object[];
}

function deployBody({ slug, schema, version = '1.0.0', type = 'number', hooks = [] }: Wanted): object {
  const fields = [{ name: 'value', type, required: type === 'number', cardinality: 'exactly_one' }];
  return { ...deployRequest(hooks), slug, schema: { id: schema, version, fields } };
}

const founding = (party: string) =>
  deployBody({ slug: party, schema: schemaOf(party), hooks: [declaration(hookOf(party), digest)] });

async function ingested(party: string, lines: string): Promise<Received> {
  const received = await as(party, 'POST', `conventions/${party}/ingestions`, lines);
  if (received.status !== 201) return received;
  const { id } = JSON.parse(received.text);
  await until('the ingestion', async () => {
    const { status } = await daemon.call('showIngestion', { params: { id } });
    return status === 'completed';
  });
  return received;
}

const line = (source: string, value: unknown) =>
  `${JSON.stringify({ source_id: source, metadata: { value } })}\n`;

/** All that anybody reads of a party's things, without the count of the rows that its hook made for everybody. */
async function readings(party: string): Promise<Record<string, string>> {
  const paths = [
    ...[schemaOf(party), `${schemaOf(party)}@1.0.0`, `${schemaOf(party)}@2.0.0`].flatMap((schema) =>
      ['records', hookOf(party)].map((table) => `data/${schema}/${table}`),
    ),
    `conventions/${party}`,
    ...['', '/releases', '/releases/1', '/history'].map((part) => `hooks/${hookOf(party)}${part}`),
  ];
  const read = async (path: string) => {
    const { status, text } = await daemon.send('GET', `/api/v1/${path}`);
    // The moment of the reading, its request, and how many rows there are, are no part of what is read.
    const lasting = text.replace(/"rows":\d+|"(?:as_of|request_id)":"[^"]*"/g, '');
    return [path, `${status} ${lasting}`] as const;
  };
  return Object.fromEntries(await Promise.all(paths.map(read)));
}

test('a schema id belongs to the convention that registered it: another gets 403 with the owner named', async () => {
  expect(await as('victim', 'POST', 'conventions', founding('victim'))).toMatchObject({ status: 201 });
  expect(await ingested('victim', line('one', 1))).toMatchObject({ status: 201 });
  const before = await readings('victim');
  const squat = deployBody({ slug: 'mine', schema: 'victim-schema', version: '99.0.0', type: 'text' });
  for (const path of ['conventions', 'conventions/plan']) {
    const { status, problem } = await as('mine', 'POST', path, squat);
    expect([status, problem?.code, problem?.field]).toEqual([403, 'access_denied', 'schema.id']);
    expect(problem?.details).toEqual({ scope: 'schemas:write:victim-schema', owner: 'victim' });
    expect(problem?.message).toContain('belongs to the convention victim');
  }
  expect(await readings('victim')).toEqual(before);
});

test('a registered version may be used by others, and their records are read under their own convention', async () => {
  const hooks = [declaration(hookOf('victim'), digest)];
  const shared = deployBody({ slug: 'guest', schema: 'victim-schema', hooks });
  expect(await as('guest', 'POST', 'conventions', shared)).toMatchObject({ status: 201 });
  const before = await readings('victim');
  await ingested('guest', line('one', 2) + line('two', 3));
  expect(await readings('victim')).toEqual(before);
  const read = async (query: string) => {
    const { text } = await daemon.send('GET', `/api/v1/data/victim-schema/records${query}`);
    return JSON.parse(text).rows.map((row: Record<string, unknown>) => [
      row.convention_id,
      row.source_id,
      row.value,
    ]);
  };
  expect(await read('')).toEqual([['victim', 'one', 1]]);
  const rows = await daemon.send('GET', '/api/v1/data/victim-schema/victim_hook?convention=guest');
  expect(JSON.parse(rows.text).rows).toMatchObject([{ value: 2 }, { value: 3 }]);
  expect((await read('?convention=guest')).sort()).toEqual([
    ['guest', 'one', 2],
    ['guest', 'two', 3],
  ]);
  const { status, problem } = await daemon.send(
    'GET',
    '/api/v1/data/victim-schema/records?convention=nobody',
  );
  expect([status, problem?.field]).toEqual([404, 'convention']);
});

test('who uses the release of another says nothing about where it comes from', async () => {
  const before = await readings('victim');
  const hook = declaration(hookOf('victim'), digest);
  const release = { ...(hook.release as object), source_ref: 'git+https://evil.example/repo@2' };
  const claim = deployBody({ slug: 'guest', schema: 'guest-schema', hooks: [{ ...hook, release }] });
  expect((await as('guest', 'POST', 'conventions', claim)).status).toBe(201);
  expect(await readings('victim')).toEqual(before);
});

test('the owner adds versions, and so does a token with schemas:write for the id', async () => {
  const next = (slug: string, version: string) => deployBody({ slug, schema: 'victim-schema', version });
  expect((await as('victim', 'POST', 'conventions', next('victim', '1.1.0'))).status).toBe(201);
  const scopes = ['conventions:write:guest', 'schemas:write:victim-*'];
  const { status } = await daemon.send('POST', '/api/v1/conventions', {
    headers: { authorization: await daemon.bearer(scopes), 'content-type': 'application/json' },
    body: JSON.stringify(next('guest', '3.0.0')),
  });
  expect(status).toBe(201);
  // The owner's convention has not taken that version, so its readers stay at their own newest.
  const { text } = await daemon.send('GET', '/api/v1/data/victim-schema/records');
  expect(JSON.parse(text).rows).toEqual([]);
  expect((await daemon.send('GET', '/api/v1/data/victim-schema@3.0.0/records')).status).toBe(404);
});

test('of conventions that want the same new id at once, one gets it', async () => {
  const slugs = Array.from({ length: 8 }, (_, index) => `racer-${index}`);
  const answers = await Promise.all(
    slugs.map((slug, index) =>
      as(slug, 'POST', 'conventions', deployBody({ slug, schema: 'prize', version: `${index + 1}.0.0` })),
    ),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(403)]);
});

const parties = ['anna', 'ben', 'cleo'] as const;
const party = fc.constantFrom(...parties);
/** The subject of a step: things of the party itself, or else of another. */
const mostlyOwn = fc.option(party, { freq: 1 });
const step = fc.oneof(
  fc.record({
    kind: fc.constant('deploy' as const),
    by: party,
    slug: mostlyOwn,
    schema: party,
    version: fc.constantFrom('1.0.0', '1.0.0', '1.0.0', '2.0.0', '99.0.0'),
    type: fc.constantFrom('number', 'number', 'number', 'text'),
    hooks: fc.uniqueArray(party, { minLength: 1 }),
    code: fc.constantFrom('first', 'first', 'first', 'other'),
    activate: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('ingest' as const),
    by: party,
    slug: mostlyOwn,
    value: fc.constantFrom(1, 2, 'three'),
  }),
  fc.record({
    kind: fc.constant('move' as const),
    by: party,
    hook: mostlyOwn,
    how: fc.constantFrom('release', 'activate', 'rollback', 'pause', 'resume'),
    setting: fc.integer({ min: 0, max: 3 }),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function take(done: Step, world: string): Promise<Received> {
  const named = (name: string) => `${name}-${world}`;
  const by = named(done.by);
  switch (done.kind) {
    case 'deploy': {
      const code = done.code === 'first' ? digest : other;
      const hooks = done.hooks.map((name) => declaration(hookOf(named(name)), code));
      const { version, type } = done;
      const body = deployBody({
        slug: named(done.slug ?? done.by),
        schema: schemaOf(named(done.schema)),
        version,
        type,
        hooks,
      });
      return as(by, 'POST', `conventions${done.activate ? '?activate=true' : ''}`, body);
    }
    case 'ingest':
      if (done.slug === null || done.by === done.slug)
        return ingested(by, line('shared', done.value) + line(by, done.value));
      return as(by, 'POST', `conventions/${named(done.slug)}/ingestions`, line('shared', done.value));
    case 'move': {
      const path = `hooks/${hookOf(named(done.hook ?? done.by))}`;
      if (done.how === 'release') return as(by, 'POST', `${path}/releases`, { config: { n: done.setting } });
      if (done.how === 'activate') return as(by, 'PUT', `${path}/live`, { version: 1 });
      // A pause of one's own hook would hold up the others that chose to use it, and this test.
      const how = (done.hook ?? done.by) === done.by && done.how === 'pause' ? 'resume' : done.how;
      return as(by, 'POST', `${path}/${how}`, how === 'resume' ? undefined : { reason: 'mine' });
    }
  }
}

test('over interleaved deploys, releases and uploads of three parties, nobody changes what is read of another', async () => {
  let worlds = 0;
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 12, maxLength: 16 }), async (steps) => {
      const world = String(worlds++);
      for (const name of parties.map((each) => `${each}-${world}`)) {
        expect((await as(name, 'POST', 'conventions', founding(name))).status).toBe(201);
        await ingested(name, line('shared', 0));
      }
      for (const done of steps) {
        const others = parties.filter((name) => name !== done.by).map((name) => `${name}-${world}`);
        const before = await Promise.all(others.map(readings));
        const { status, text } = await take(done, world);
        expect([status < 500, text]).toEqual([true, text]);
        if (status < 300) accepted += 1;
        expect(await Promise.all(others.map(readings))).toEqual(before);
      }
    }),
    { numRuns: 5, seed: 15, endOnFailure: true },
  );
  expect(accepted).toBeGreaterThan(20);
}, 120_000);
