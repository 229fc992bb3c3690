import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reservedColumns, reservedFields, reservedNames } from '@osa/core/hook/hook';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import type { Reply } from '../support/http.ts';
import { osaJson } from '../support/programs.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Names that become tables, columns and paths, over plain HTTP: each is refused whole, or works everywhere. */

let stage: ProjectDaemon;
let digest: string;
beforeAll(async () => {
  stage = await startProjectDaemon();
  const hook = await stage.project();
  await writeFile(join(hook, 'hook.mjs'), hookCode('return { features: [{}] }'));
  digest = await stage.http.upload(hook);
});
afterAll(() => stage.close());

interface Hook {
  readonly name: string;
  readonly columns: readonly object[];
  readonly cardinality: 'one' | 'many';
}

const column = (name: string, changes: object = {}) => ({
  name,
  json_type: 'number',
  required: false,
  ...changes,
});

/** Deploys a convention with one hook; the changes replace parts of it. */
function deploy(slug: string, hook: Partial<Hook> = {}, changes: object = {}): Promise<Reply> {
  const { name = slug.replaceAll('-', '_'), columns = [column('value')], cardinality = 'one' } = hook;
  const release = { runtime: 'directory', digest, command: ['node', 'hook.mjs'], source_ref: 'git:test' };
  const json = {
    slug,
    title: 'Names',
    description: 'Names of all kinds',
    schema: { id: `${slug}-record`, version: '1.0.0', fields: [field('value')] },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [{ name, feature: { cardinality, columns }, release }],
    ...changes,
  };
  return stage.http.send('POST', '/api/v1/conventions', { json });
}

function field(name: string): object {
  return { name, type: 'number', required: true, cardinality: 'exactly_one' };
}

/** The deploy is refused for this field, and nothing of it is stored. */
async function expectRefused(act: () => Promise<Reply>, field: string): Promise<Reply> {
  const reply = await stage.changingNothing(act);
  expect([reply.status, reply.problem?.code, reply.problem?.field], reply.text).toEqual([
    422,
    'invalid',
    field,
  ]);
  return reply;
}

const hostile = [
  'x"; drop schema public cascade;--',
  "x'; drop table hooks;--",
  'x"',
  'U&"\\0061"',
  '%I',
  '$$x$$',
  '$1',
  'x y',
  'x.y',
  'features.x',
  'x-',
  'x\ty',
  'x\n',
  'x/y',
  '..',
  '../x',
  '%2e%2e',
  '_x',
  '1x',
  'X',
  'Value',
  '',
  'constructor()',
  '__proto__',
  'ｓelect',
  'оrder',
  'é',
  'e\u0301',
  'ſelect',
  'ı',
  'x\u200b',
];

describe('injections, other alphabets and other forms', () => {
  test.each(hostile)(
    'ident-01, -02, -12: %j is the name of no hook, no column and no field',
    async (name) => {
      await expectRefused(() => deploy('hostile', { name }), 'hooks[0].name');
      await expectRefused(
        () => deploy('hostile', { columns: [column('fine'), column(name)] }),
        'hooks[0].feature.columns[1].name',
      );
      const schema = { id: 'hostile-record', version: '1.0.0', fields: [field(name)] };
      await expectRefused(() => deploy('hostile', {}, { schema }), 'schema.fields[0].name');
      await expectRefused(
        () => deploy('hostile', {}, { schema: { ...schema, id: name, fields: [field('x')] } }),
        'schema.id',
      );
      // An empty path is another path.
      if (name === '') return;
      for (const path of ['hooks/X', 'hooks/X/history', 'data/X/X', 'trace/rows/X/1', 'conventions/X']) {
        const reply = await stage.http.get(`/api/v1/${path.replaceAll('X', encodeURIComponent(name))}`);
        expect([400, 404, 422]).toContain(reply.status);
      }
    },
  );

  test('a control character that PostgreSQL cannot store is malformed, wherever it is', async () => {
    for (const name of ['x\0y', 'x\ud800']) {
      const { status, problem } = await stage.changingNothing(() => deploy('hostile', { name }));
      expect([status, problem?.code]).toEqual([400, 'malformed']);
    }
  });

  test.each(['../x', 'a', 'x_y', 'X-Y-Z', 'é-é-é', 'x"; drop schema public cascade;--', 'x'.repeat(65)])(
    '%j is no slug',
    async (slug) => {
      await expectRefused(() => deploy('hostile', { name: 'hostile' }, { slug }), 'slug');
    },
  );
});

describe('lengths', () => {
  test('names as long as they may be work; one more is refused', async () => {
    const long = { name: `h${'o'.repeat(39)}`, columns: [column(`c${'o'.repeat(62)}`)] };
    expect((await deploy('long-names', long)).status).toBe(201);
    expect((await stage.stored()).tables).toContain(long.name);
    expect((await stage.http.get(`/api/v1/data/long-names-record/${long.name}`)).status).toBe(200);
    await expectRefused(() => deploy('too-long', { name: `${long.name}o` }), 'hooks[0].name');
    await expectRefused(
      () => deploy('too-long', { columns: [column(`c${'o'.repeat(63)}`)] }),
      'hooks[0].feature.columns[0].name',
    );
  });

  test('ident-04: names that are the same in their first 63 bytes never meet', async () => {
    const start = 'c'.repeat(63);
    const columns = [column(`${start}a`), column(`${start}b`)];
    await expectRefused(() => deploy('too-long', { columns }), 'hooks[0].feature.columns[0].name');
    const hooks = [`${start}a`, `${start}b`];
    for (const name of hooks) await expectRefused(() => deploy('too-long', { name }), 'hooks[0].name');
  });

  test.each([501, 1_601, 10_000])('ident-13: %d columns are refused, naming the limit', async (count) => {
    const columns = Array.from({ length: count }, (_, index) => column(`c${index}`));
    const { problem } = await expectRefused(() => deploy('wide', { columns }), 'hooks[0].feature.columns');
    expect(problem?.message).toContain('500');
  });

  test('500 columns are a table', async () => {
    const columns = Array.from({ length: 500 }, (_, index) => column(`c${index}`));
    expect((await deploy('wide', { columns })).status).toBe(201);
    expect((await stage.http.get('/api/v1/data/wide-record/wide')).status).toBe(200);
  });

  test('ident-13: no column at all is a hook that only checks, and its records are published without rows', async () => {
    expect((await deploy('checking', { columns: [] })).status).toBe(201);
    expect(await ingest('checking')).toMatchObject({
      status: 'completed',
      published: 1,
      errored: 0,
      rows: 0,
    });
  });
});

describe('reserved names', () => {
  test.each([...reservedColumns])('ident-06, -07: %s is no column', async (name) => {
    await expectRefused(
      () => deploy('reserved', { columns: [column(name)] }),
      'hooks[0].feature.columns[0].name',
    );
  });

  test.each([...reservedFields])('%s is no field', async (name) => {
    const schema = { id: 'reserved-record', version: '1.0.0', fields: [field(name)] };
    await expectRefused(() => deploy('reserved', {}, { schema }), 'schema.fields[0].name');
  });

  test.each([...reservedNames])('ident-11: %s is no hook and no schema', async (name) => {
    await expectRefused(() => deploy('reserved', { name }), 'hooks[0].name');
    const schema = { id: name, version: '1.0.0', fields: [field('value')] };
    await expectRefused(() => deploy('reserved', {}, { schema }), 'schema.id');
  });

  test.each(['pg_class', 'pg_toast', 'pg_', 'information_schema'])(
    'ident-14: %s is no hook',
    async (name) => {
      await expectRefused(() => deploy('reserved', { name }), 'hooks[0].name');
    },
  );

  test.each(['..', 'runs', 'con', 'nul', 'com1', 'lpt9'])('paths-07: %s is no hook', async (name) => {
    await expectRefused(() => deploy('reserved', { name }), 'hooks[0].name');
  });

  test('ident-06, -07, -11: the list holds what a table has already and what the paths of the API mean', () => {
    const columns = 'id outcome_id run_id ordinal record_srn record_source_id release created_at';
    const system = 'oid xmin xmax cmin cmax ctid tableoid';
    expect([...reservedColumns].sort()).toEqual(`${columns} ${system}`.split(' ').sort());
    expect([...reservedFields].sort()).toEqual(
      'id srn schema_id version created_at convention_id source_id local_times'.split(' ').sort(),
    );
    const names = 'records datasets runs live releases history plan';
    expect([...reservedNames].sort()).toEqual(names.split(' ').sort());
  });
});

describe('twins and types', () => {
  test('ident-10: a column twice, also in capitals', async () => {
    const columns = [column('value'), column('other'), column('value', { json_type: 'string' })];
    await expectRefused(() => deploy('twins', { columns }), 'hooks[0].feature.columns[2].name');
    const cased = [column('value'), column('other'), column('Value')];
    await expectRefused(() => deploy('twins', { columns: cased }), 'hooks[0].feature.columns[2].name');
  });

  test('a hook twice', async () => {
    const reply = await deploy('twins');
    expect(reply.status).toBe(201);
    const declared = { name: 'twin', feature: { cardinality: 'one', columns: [] } };
    const release = { runtime: 'directory', digest, command: ['node', 'hook.mjs'], source_ref: 'git:test' };
    const hooks = [declared, declared].map((hook) => ({ ...hook, release }));
    await expectRefused(() => deploy('twins', {}, { hooks }), 'hooks[1].name');
  });

  test.each<[object, string]>([
    [{ json_type: 'number', format: 'uuid' }, 'format'],
    [{ json_type: 'integer', format: 'date' }, 'format'],
    [{ json_type: 'string', format: '../x' }, 'format'],
    [{ json_type: 'string', format: 'email' }, 'format'],
    [{ json_type: '../x' }, 'json_type'],
    [{ json_type: 'text' }, 'json_type'],
    [{ json_type: 'number); drop table hooks;--' }, 'json_type'],
    [{ json_type: ['number'] }, 'json_type'],
    [{ json_type: null }, 'json_type'],
    [{ required: 'yes' }, 'required'],
  ])('ident-15: a column of %j', async (changes, member) => {
    await expectRefused(
      () => deploy('types', { columns: [column('value', changes)] }),
      `hooks[0].feature.columns[0].${member}`,
    );
  });
});

describe('ident-16: a contract that is declared again', () => {
  const columns = [
    column('energy', { required: true, unit: 'J', description: 'radiated' }),
    column('label', { json_type: 'string' }),
  ];
  const [energy, label] = columns;
  beforeAll(async () => {
    expect((await deploy('contract', { columns })).status).toBe(201);
  });

  test.each<[string, Partial<Hook>, string]>([
    ['an extra column', { columns: [...columns, column('more')] }, 'columns.more'],
    ['a missing column', { columns: [energy ?? {}] }, 'columns.label'],
    [
      'a column of another type',
      { columns: [energy ?? {}, { ...label, json_type: 'integer' }] },
      'columns.label.json_type',
    ],
    [
      'a column of another format',
      { columns: [energy ?? {}, { ...label, format: 'uuid' }] },
      'columns.label.format',
    ],
    ['another unit', { columns: [{ ...energy, unit: 'kJ' }, label ?? {}] }, 'columns.energy.unit'],
    [
      'a column that is optional',
      { columns: [{ ...energy, required: false }, label ?? {}] },
      'columns.energy.required',
    ],
    ['another cardinality', { columns, cardinality: 'many' }, 'cardinality'],
  ])('with %s is in conflict, and says where', async (_, hook, path) => {
    const { status, problem } = await stage.changingNothing(() => deploy('contract', hook));
    expect([status, problem?.code, problem?.field]).toEqual([409, 'conflict', `hooks[0].feature.${path}`]);
    expect(problem?.details?.differences).toHaveLength(1);
  });

  test('in another order and with other words is unchanged', async () => {
    const again = [
      { ...label, description: 'what it is called' },
      { ...energy, description: 'by waves' },
    ];
    const { status, json } = await deploy('contract', { columns: again });
    expect([status, json]).toMatchObject([
      201,
      { changes: { hooks: [{ hook: 'unchanged', release: 'known' }] } },
    ]);
  });
});

describe('ident-08: the keywords of SQL are names as any other', () => {
  const keywords = [
    'select',
    'user',
    'table',
    'order',
    'group',
    'from',
    'where',
    'limit',
    'default',
    'primary',
    'null',
    'all',
    'end',
  ];

  test('as hooks and columns, from the deploy to the trace', async () => {
    const place = await stage.project();
    const hooks = ['select', 'table', 'user', 'order'];
    await mkdir(join(place, 'hooks'));
    const row = Object.fromEntries(keywords.map((name, index) => [name, index + 0.5]));
    await writeFile(join(place, 'hooks/hook.mjs'), hookCode(`return { features: [${JSON.stringify(row)}] }`));
    const declared = hooks.map((name) => ({
      name,
      feature: { cardinality: 'one', columns: keywords.map((keyword) => column(keyword)) },
      release: { directory: './hooks', command: ['node', 'hook.mjs'], source_ref: 'git:test' },
    }));
    const convention = {
      slug: 'select',
      title: 'Select',
      description: 'Keywords',
      schema: { id: 'select', version: '1.0.0', fields: [{ name: 'order', type: 'number', required: true }] },
      files: { accepted_types: [], max_count: 0 },
      hooks: declared,
    };
    // JSON is YAML.
    await writeFile(join(place, 'convention.yaml'), JSON.stringify(convention));
    await writeFile(join(place, 'records.ndjson'), '{"source_id": "select", "metadata": {"order": 1}}\n');
    await osaJson(place, ['deploy']);
    const answer = await osaJson(place, ['ingest', 'select', 'records.ndjson']);
    expect(answer).toMatchObject({ status: 'completed', published: 1, errored: 0, rows: hooks.length });
    for (const hook of hooks) {
      const { rows } = await osaJson(place, ['rows', hook]);
      expect(rows).toMatchObject([row]);
      const traced = await osaJson(place, ['trace', `${hook}/${rows[0].id}`]);
      expect(traced).toMatchObject({
        row: { values: row },
        record: { source_id: 'select', metadata: { order: 1 } },
      });
    }
    const [{ record_srn }] = (await osaJson(place, ['rows', 'user'])).rows;
    const byRecord = await osaJson(place, ['trace', record_srn]);
    expect(byRecord.rows.map((found: { hook: string }) => found.hook).sort()).toEqual([...hooks].sort());
  });
});

/** Takes one record in, and waits. */
async function ingest(slug: string) {
  const place = await stage.project();
  await writeFile(join(place, 'records.ndjson'), '{"source_id": "only", "metadata": {"value": 1}}\n');
  return osaJson(place, ['ingest', slug, 'records.ndjson']);
}
