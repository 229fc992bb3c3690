import { routes } from '@osa/core/api';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { everything, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { digestOf } from '../support/database/registry-support.ts';

/**
 * A deploy as the archive's Python SDK sends it: no slug, null keys left out except in configs, every limit written
 * down, an ingester with a name, and documentation.
 */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
});
afterAll(() => daemon.close());

const limits = { timeout_seconds: 300, memory: '512m', cpu: '0.5' };
const built = (name: string) => ({
  image: `ghcr.io/acme/${name}:latest`,
  digest: digestOf(name),
  source_ref: 'git:1a2b3c4',
});
const field = (name: string, type: string, rest: object = {}) => ({
  name,
  type,
  required: true,
  cardinality: 'exactly_one',
  ...rest,
});

const body = {
  title: 'Alloy Samples',
  description: 'Cast alloy coupons.',
  schema: {
    id: 'alloy-sample',
    version: '1.2.0',
    fields: [
      field('name', 'text', { description: 'Trade name', examples: ['Inconel 718'] }),
      field('mass', 'number', { constraints: { type: 'number', unit: 'g' } }),
      field('grains', 'number', { constraints: { type: 'number', integer_only: true } }),
      field('note', 'text', { required: false }),
      // A union written with a pipe: the SDK takes a number with a unit for a text with one.
      field('hardness', 'text', { required: false, constraints: { type: 'text', unit: 'HV' } }),
      field('cast_on', 'date'),
    ],
  },
  file_requirements: { accepted_types: ['.csv'], max_count: 4, max_file_size: 1_048_576, min_count: 0 },
  hooks: [
    {
      name: 'find_phases',
      config: {},
      limits: { ...limits, timeout_seconds: 600, memory: '2g' },
      release: built('find_phases'),
      feature: {
        kind: 'table',
        cardinality: 'many',
        columns: [
          { name: 'phase_id', json_type: 'integer', required: true },
          { name: 'score', json_type: 'number', required: true, description: 'Fit score', unit: 'au' },
          { name: 'label', json_type: 'string', required: false },
          { name: 'seen', json_type: 'string', format: 'date-time', required: false },
          { name: 'tags', json_type: 'array', required: false },
        ],
      },
    },
    {
      name: 'check_alloy',
      config: {},
      limits,
      release: built('check_alloy'),
      feature: { kind: 'table', cardinality: 'one', columns: [] },
    },
  ],
  ingester: {
    name: 'alloy-feed',
    config: { base_url: 'https://example.org/api', token: null },
    limits: { ...limits, timeout_seconds: 3_600 },
    release: built('alloy-feed'),
    schedule: { cron: '0 3 * * *', limit: 500 },
    initial_run: { limit: 10 },
  },
  docs: {
    purpose: 'Find phases in alloys.',
    example_questions: ['What phases exist?', 'How heavy are coupons?'],
    examples: [
      {
        question: 'Which alloys are hard?',
        query: 'GET /api/v1/data/alloy-sample/records',
        interpretation: 'Rows with hardness',
      },
    ],
  },
};

async function send(json: unknown): Promise<{ status: number; answer: Record<string, unknown> }> {
  const { statusCode, body: answered } = await request(`${daemon.url}/api/v1/conventions`, {
    method: 'POST',
    headers: { authorization: await daemon.bearer(everything), 'content-type': 'application/json' },
    body: JSON.stringify(json),
  });
  return { status: statusCode, answer: (await answered.json()) as Record<string, unknown> };
}

test('is accepted and answered in the shape that the SDK reads', async () => {
  const { status, answer } = await send(body);
  expect(status).toBe(201);
  expect(answer).toMatchObject({
    slug: 'alloy-samples',
    title: 'Alloy Samples',
    description: 'Cast alloy coupons.',
    schema_id: { id: 'alloy-sample', version: '1.2.0' },
    hooks: ['find_phases', 'check_alloy'],
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
    changed: true,
    changes: { ingester: 'stored, not run' },
  });
  expect(routes.deploy.response.parse(answer)).toEqual(answer);

  const shown = await daemon.call('showConvention', { params: { slug: 'alloy-samples' } });
  expect(shown).toMatchObject({
    id: 'alloy-samples',
    hooks: ['find_phases', 'check_alloy'],
    file_requirements: body.file_requirements,
    ingester: body.ingester,
    docs: body.docs,
  });
  expect(shown.fields).toEqual(body.schema.fields);
});

test('again is a 201 too, and changes nothing', async () => {
  const { status, answer } = await send(body);
  expect(status).toBe(201);
  expect(answer).toMatchObject({ slug: 'alloy-samples', changed: false });
});

test('without docs, ingester and limits is accepted', async () => {
  const { docs: _docs, ingester: _ingester, hooks, ...rest } = body;
  const without = hooks.map(({ limits: _limits, ...hook }) => ({ ...hook, name: `${hook.name}_bare` }));
  const { status, answer } = await send({ ...rest, title: 'Bare alloys', hooks: without });
  expect(status).toBe(201);
  expect(answer).toMatchObject({ slug: 'bare-alloys', changes: { schema: 'unchanged', ingester: 'none' } });
});

test.each([
  ['config inside the release', { release: { ...built('find_phases'), config: {} } }, /^hooks\[0\]\.release/],
  ['no release', { release: undefined }, /^hooks\[0\]\.release/],
  ['a cut digest', { release: { ...built('x'), digest: 'sha256:abc' } }, /^hooks\[0\]\.release\.digest/],
])('with %s is refused at its place', async (_name, changed, place) => {
  const { status, answer } = await send({ ...body, hooks: [{ ...body.hooks[0], ...changed }] });
  expect(status).toBe(422);
  expect(answer).toMatchObject({
    code: 'invalid',
    message: expect.any(String),
    field: expect.stringMatching(place),
  });
});
