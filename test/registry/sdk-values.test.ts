import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { everything, type TestDaemon, testDaemon, uploaded } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/**
 * Values that the archive's Python SDK cannot type arrive as text: `float | None`, `list[str]`, nested models. They
 * come in, reach hooks, are stored as rows and are read back as what they are. The bodies are those that the SDK sends,
 * except that hooks are directories, since these tests run no containers.
 */

let daemon: TestDaemon;
let digest: string;
beforeAll(async () => {
  daemon = await testDaemon();
  digest = await uploaded(
    daemon,
    hookCode('return { features: [{ label: metadata.hardness, raw: metadata }] };'),
  );
});
afterAll(() => daemon.close());

const field = (name: string, type: string, rest: object = {}) => ({
  name,
  type,
  required: true,
  cardinality: 'exactly_one',
  ...rest,
});
const optional = { required: false };

const alloys = {
  title: 'Alloy values',
  description: 'Cast alloy coupons.',
  schema: {
    id: 'alloy-value',
    version: '1.0.0',
    fields: [
      field('name', 'text'),
      field('hardness', 'text', { ...optional, constraints: { type: 'text', unit: 'HV' } }),
      field('aliases', 'text'),
      field('supplier', 'text', optional),
      field('grade', 'text', { ...optional, constraints: { type: 'text', max_length: 2 } }),
      field('mass', 'number', { constraints: { type: 'number', unit: 'g' } }),
      field('cast_on', 'date', optional),
    ],
  },
  file_requirements: { accepted_types: ['.csv'], max_count: 4, max_file_size: 1_048_576, min_count: 0 },
  hooks: [] as object[],
};

const label = (name: string) => ({
  name,
  config: {},
  limits: { timeout_seconds: 300, memory: '512m', cpu: '0.5' },
  release: {
    runtime: 'directory',
    digest,
    command: [process.execPath, 'hook.mjs'],
    source_ref: 'git:1a2b3c4',
  },
  feature: {
    kind: 'table',
    cardinality: 'one',
    columns: [
      { name: 'label', json_type: 'string', required: false },
      { name: 'raw', json_type: 'string', required: false },
    ],
  },
});

const post = async (path: string, body: unknown) => {
  const authorization = await daemon.bearer(everything);
  const headers = { authorization, 'content-type': 'application/json' };
  const received = await daemon.send('POST', `/api/v1/${path}`, { headers, body: JSON.stringify(body) });
  return { ...received, answer: JSON.parse(received.text) };
};

async function ingested(slug: string, records: readonly object[]) {
  const lines = records.map((metadata, index) => JSON.stringify({ source_id: `s${index}`, metadata }));
  const { id } = await daemon.call('ingest', { params: { slug }, body: `${lines.join('\n')}\n` });
  return until('the ingestion', async () => {
    const shown = await daemon.call('showIngestion', { params: { id } });
    return shown.status === 'completed' && shown;
  });
}

const readBack = async (path: string) => {
  const { status, text } = await daemon.send('GET', `/api/v1/data/${path}`);
  expect([status, text]).toEqual([200, text]);
  return JSON.parse(text).rows as Record<string, unknown>[];
};

describe('a deploy of the SDK with fields that it cannot type', () => {
  const values = [
    { name: 'A', hardness: 1.25, aliases: ['x', 'y'], mass: 1 },
    { name: 'B', hardness: null, aliases: [], supplier: { city: 'Lyon', tiers: [1, null] }, mass: 2 },
    { name: 'C', hardness: 'soft', aliases: 'z', supplier: false, grade: 'ab', mass: 3 },
  ];

  beforeAll(async () => {
    const { status, answer } = await post('conventions', { ...alloys, hooks: [label('sdk_labels')] });
    expect([status, answer.warnings]).toEqual([201, answer.warnings]);
    const ended = await ingested('alloy-values', values);
    expect(ended).toMatchObject({ published: 3, invalid: 0, rejected: 0, errored: 0 });
  });

  test('keeps every value as the JSON that it is, in declared order, null where it is absent', async () => {
    const rows = await readBack('alloy-value/records');
    const byName = new Map(rows.map((row) => [row.name, row]));
    for (const [index, value] of values.entries()) {
      const { id, srn, created_at, ...rest } = byName.get(value.name) ?? {};
      expect([typeof id, typeof srn, typeof created_at]).toEqual(['string', 'string', 'string']);
      expect(rest).toEqual({
        schema_id: 'alloy-value@1.0.0',
        version: 1,
        convention_id: 'alloy-values',
        source_id: `s${index}`,
        ...{ hardness: null, supplier: null, grade: null, cast_on: null },
        ...value,
      });
    }
    expect(Object.keys(rows[0] ?? {})).toEqual([
      ...['id', 'srn', 'schema_id', 'version', 'created_at', 'convention_id', 'source_id'],
      ...alloys.schema.fields.map(({ name }) => name),
    ]);
  });

  test('keeps what its hooks answer in string columns likewise', async () => {
    const rows = await readBack('alloy-value/sdk_labels');
    expect(rows.map((row) => row.label)).toEqual([1.25, null, 'soft']);
    expect(rows.map((row) => row.raw)).toEqual(values);
    const traced = await daemon.call('traceRow', { params: { hook: 'sdk_labels', id: Number(rows[0]?.id) } });
    expect(traced.row.values).toEqual({ label: 1.25, raw: values[0] });
  });

  test('says so, in the plan and in the answer, and names the fields and columns', async () => {
    const body = { ...alloys, title: 'Alloy again', hooks: [label('sdk_labels')] };
    for (const path of ['conventions/plan', 'conventions']) {
      const { answer } = await post(path, body);
      expect(answer.warnings).toEqual([
        expect.stringMatching(
          /^schema alloy-value@1\.0\.0: the text fields name, hardness, aliases, supplier take any JSON value/,
        ),
        expect.stringMatching(/date fields cast_on .*without an offset.* marked as local/),
        expect.stringMatching(/^hook sdk_labels: the string columns label, raw take any JSON value/),
      ]);
    }
    expect(await daemon.call('showConvention', { params: { slug: 'alloy-values' } })).toMatchObject({
      open_text: true,
      fields: alloys.schema.fields,
    });
  });

  test('still refuses values that break a rule of text, or another type', async () => {
    const bad = { name: 'D', aliases: [], grade: 'abc', mass: 'heavy' };
    expect(await ingested('alloy-values', [bad])).toMatchObject({ invalid: 1 });
    expect(await ingested('alloy-values', [{ ...bad, grade: 7, mass: 1 }])).toMatchObject({ invalid: 1 });
    expect(await ingested('alloy-values', [{ name: 'E', aliases: null, mass: 1 }])).toMatchObject({
      invalid: 1,
    });
  });

  test('takes times without an offset, keeps them as written and marks them as local', async () => {
    const times = [
      '2026-01-31T12:00:00',
      '2026-01-31T12:00:00.123456',
      '2026-01-31T12:00:00+02:00',
      '2026-01-31',
    ];
    await post('conventions', {
      ...alloys,
      title: 'Alloy times',
      schema: { ...alloys.schema, id: 'alloy-time' },
    });
    const ended = await ingested(
      'alloy-times',
      [...times, '2026-02-30T12:00:00', '2026-01-31 12:00:00'].map((cast_on) => ({
        ...values[0],
        cast_on,
      })),
    );
    expect(ended).toMatchObject({ published: 4, invalid: 2 });
    const rows = await readBack('alloy-time/records');
    const seen = rows.map(({ source_id, cast_on, local_times }) => [source_id, cast_on, local_times]).sort();
    expect(seen).toEqual(
      times.map((time, index) => [`s${index}`, time, index < 2 ? ['cast_on'] : undefined]),
    );
  });
});

describe('a declaration of osa', () => {
  const strict = { ...alloys, slug: 'strict-alloys', schema: { ...alloys.schema, id: 'strict-alloy' } };

  test('stays strict: only text is text, in fields and in columns', async () => {
    const { answer } = await post('conventions', { ...strict, hooks: [label('strict_labels')] });
    expect(answer.warnings).toEqual([]);
    const good = { name: 'A', hardness: '1', aliases: 'x', mass: 1 };
    expect(await ingested('strict-alloys', [{ ...good, hardness: 1.25 }])).toMatchObject({ invalid: 1 });
    expect(await ingested('strict-alloys', [{ ...good, cast_on: '2026-01-31T12:00:00' }])).toMatchObject({
      invalid: 1,
    });
    // The hook answers an object for the string column `raw`.
    expect(await ingested('strict-alloys', [good])).toMatchObject({ errored: 1 });
  });

  test('may ask for open text by itself, and what is registered first stays, as a warning says', async () => {
    const open = {
      ...strict,
      slug: 'open-alloys',
      schema: { ...strict.schema, id: 'open-alloy', open_text: true },
    };
    await post('conventions', open);
    expect(await ingested('open-alloys', [{ name: 1, aliases: 2, mass: 3 }])).toMatchObject({ published: 1 });
    const { schema, slug: _, ...rest } = strict;
    const { status, answer } = await post('conventions', { ...rest, schema, title: 'Guests of the strict' });
    expect([status, answer.warnings]).toEqual([
      201,
      [expect.stringContaining('were first declared by osa, so values other than text are refused')],
    ]);
  });
});

test('a convention may want files of each record', async () => {
  const file_requirements = { ...alloys.file_requirements, min_count: 1 };
  const { status } = await post('conventions', { ...alloys, title: 'With files', file_requirements });
  expect(status).toBe(201);
});

test.each(['health', 'ready'])('/api/v1/%s answers as the SDK asks for it', async (path) => {
  const [own, archive] = await Promise.all([
    daemon.send('GET', `/${path}`),
    daemon.send('GET', `/api/v1/${path}`),
  ]);
  expect(archive.status).toBe(200);
  expect(JSON.parse(archive.text).status).toBe(JSON.parse(own.text).status);
});
