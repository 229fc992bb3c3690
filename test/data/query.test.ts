import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DataArchive, dataArchive } from './archive.ts';

/** Filters, orders, cursors and times of published data. */

const big = '12345678901234567890';
let archive: DataArchive;
let corrected: string;
beforeAll(async () => {
  archive = await dataArchive();
  await archive.ingest([
    ['a', { name: 'Iron', mass: 1, grains: 3, cast_on: '2026-01-01', is_alloy: false, tags: ['raw', 'Fe'] }],
    [
      'b',
      `{"name":"Bronze","mass":${big},"grains":1,"cast_on":"2026-01-01T12:00:00Z","is_alloy":true,"readings":[1,2.5]}`,
    ],
    ['c', { name: 'Steel 100%', mass: 2.5, is_alloy: true, page: 'https://example.org/steel' }],
    ['d', { name: 'iron ore' }],
  ]);
  const { body } = await archive.get('/sample/records');
  corrected = body.as_of;
  await archive.ingest([
    ['a', { name: 'Iron', mass: 1.5, grains: 3, cast_on: '2026-01-01', is_alloy: false }],
  ]);
}, 60_000);
afterAll(() => archive.close());

type Row = Readonly<Record<string, unknown>>;
const ids = (rows: readonly Row[]) =>
  rows
    .map((row) => row.source_id ?? row.record_source_id)
    .sort()
    .join('');
const where = (field: string, op: string, value?: unknown) => ({ kind: 'predicate', field, op, value });

describe('filters of records', () => {
  test.each([
    [where('metadata.mass', 'gte', 2), 'bc'],
    [where('metadata.mass', 'eq', 1.5), 'a'],
    [where('mass', 'eq', 1.5), 'a'],
    [where('metadata.mass', 'neq', 2.5), 'abd'],
    [where('metadata.mass', 'in', [1.5, 2.5]), 'ac'],
    [where('metadata.mass', 'in', []), ''],
    [where('metadata.mass', 'is_null', true), 'd'],
    [where('metadata.mass', 'is_null'), 'd'],
    [where('metadata.mass', 'is_null', false), 'abc'],
    [where('metadata.name', 'contains', 'IRON'), 'ad'],
    [where('metadata.name', 'contains', '%'), 'c'],
    [where('metadata.name', 'lt', 'C'), 'b'],
    [where('metadata.cast_on', 'gt', '2026-01-01'), 'b'],
    [where('metadata.cast_on', 'lte', '2026-01-01T00:00:00+00:00'), 'a'],
    [where('metadata.is_alloy', 'eq', true), 'bc'],
    [where('metadata.readings', 'contains', 2.5), 'b'],
    [where('metadata.page', 'eq', 'https://example.org/steel'), 'c'],
    [where('source_id', 'in', ['a', 'd']), 'ad'],
    [where('version', 'gt', 1), 'a'],
    [{ kind: 'predicate', field: { path: 'metadata', field: 'grains' }, op: 'lt', value: 3 }, 'b'],
    [{ kind: 'not', operand: where('metadata.mass', 'gt', 2) }, 'ad'],
    [
      { kind: 'and', operands: [where('metadata.mass', 'gt', 1), where('metadata.is_alloy', 'eq', true)] },
      'bc',
    ],
    [
      { kind: 'or', operands: [where('metadata.mass', 'eq', 2.5), where('metadata.name', 'eq', 'Iron')] },
      'ac',
    ],
  ])('%j matches %j', async (filter, expected) => {
    const { status, text, body } = await archive.post('/sample/records', { filter });
    expect([status, status === 200 ? '' : text]).toEqual([200, '']);
    expect(ids(body.rows)).toBe(expected);
    const sorted = await archive.post('/sample/records', { filter, sort: 'name:desc' });
    expect(ids(sorted.body.rows)).toBe(expected);
    const got = await archive.get(`/sample/records?filter=${encodeURIComponent(JSON.stringify(filter))}`);
    expect(ids(got.body.rows)).toBe(expected);
  });

  test('of numbers look at every digit', async () => {
    const filter = (value: string) =>
      `{"filter":{"kind":"predicate","field":"metadata.mass","op":"eq","value":${value}}}`;
    expect(ids((await archive.post('/sample/records', filter(big))).body.rows)).toBe('b');
    expect(ids((await archive.post('/sample/records', filter('12345678901234567891'))).body.rows)).toBe('');
  });
});

describe('filters of rows', () => {
  test.each([
    [where('features.probe.score', 'gte', 1.5), 'abc'],
    [where('features.probe.n', 'in', [3, 7]), 'a'],
    [where('features.probe.n', 'lt', 2.5), 'b'],
    [where('features.probe.label', 'contains', 'steel'), 'c'],
    [where('features.probe.seen', 'lt', '2026-01-02'), 'ab'],
    [where('features.probe.day', 'eq', '2026-01-01'), 'ab'],
    [where('features.probe.uid', 'eq', '018f6b1e-7c3a-7d2b-9c4e-5f60718293a4'), 'abcd'],
    [where('features.probe.flag', 'neq', true), 'ad'],
    [where('features.probe.all', 'contains', 'Bronze'), 'b'],
    [where('features.probe.list', 'is_null', false), 'b'],
    [where('record_source_id', 'eq', 'd'), 'd'],
    [where('release', 'eq', 1), 'abcd'],
    [{ kind: 'predicate', field: { path: 'features', hook: 'probe', column: 'n' }, op: 'eq', value: 3 }, 'a'],
  ])('%j matches %j', async (filter, expected) => {
    for (const sort of [undefined, 'score:desc,label', 'id:desc']) {
      const { status, text, body } = await archive.post('/sample/probe', { filter, sort });
      expect([status, status === 200 ? '' : text]).toEqual([200, '']);
      expect(ids(body.rows)).toBe(expected);
    }
  });
});

describe('what does not fit is refused with what would', () => {
  const deep = (levels: number): object =>
    levels === 0 ? where('metadata.mass', 'eq', 1) : { kind: 'not', operand: deep(levels - 1) };
  test.each([
    [where('metadata.mass', 'contains', '1'), 'filter.op', 'eq, neq, gt'],
    [where('metadata.is_alloy', 'gt', true), 'filter.op', 'eq, neq, in, is_null'],
    [where('metadata.mass', 'like', 1), 'filter.op', 'is not an operator'],
    [where('metadata.mass', 'eq', '1'), 'filter.value', 'must be a number'],
    [where('metadata.mass', 'in', 1), 'filter.value', 'takes a list'],
    [where('metadata.mass', 'eq'), 'filter.value', 'is missing'],
    [where('metadata.cast_on', 'eq', '2026-02-30'), 'filter.value', 'must be a date'],
    [where('metadata.mas', 'eq', 1), 'filter.field', 'did you mean metadata.mass?'],
    [where('mas', 'eq', 1), 'filter.field', 'did you mean metadata.mass?'],
    [where('features.probe.n', 'eq', 1), 'filter.field', 'records are filtered by metadata.'],
    [{ kind: 'and', operands: [where('metadata.mass', 'eq', 1)] }, 'filter.operands', 'two filters'],
    [{ field: 'metadata.mass', op: 'eq', value: 1 }, 'filter.kind', 'predicate, and, or, not'],
    [{ ...where('metadata.mass', 'eq', 1), extra: 1 }, 'filter.extra', 'not known'],
    [deep(10), /^filter(\.operand){10}$/, '10 deep at most'],
    [
      { kind: 'or', operands: Array(201).fill(where('metadata.mass', 'eq', 1)) },
      'filter.operands[200]',
      '200 predicates at most',
    ],
    ['x', 'filter', 'is not a filter'],
  ])('the filter %j at %s', async (filter, field, said) => {
    const { status, problem } = await archive.post('/sample/records', { filter });
    expect([status, problem?.code]).toEqual([422, 'invalid']);
    expect(problem?.field).toMatch(field);
    expect(problem?.message).toContain(said);
  });

  test.each([
    ['/sample/records?sort=mas', 'sort', 'did you mean mass?'],
    ['/sample/records?sort=mass:up', 'sort', 'not a direction'],
    ['/sample/records?sort=tags', 'sort', 'cannot be sorted by'],
    ['/sample/records?sort=mass,mass', 'sort', 'twice'],
    ['/sample/probe?sort=all', 'sort', 'cannot be sorted by'],
    ['/sample/records?filter=x', 'filter', 'not JSON'],
    ['/sample/records?cursor=garbage', 'cursor', 'not a cursor of this query'],
    ['/sample/records?as_of=yesterday', 'as_of', 'must be a time'],
    ['/sample/records?unknown=1', 'unknown', 'not known'],
    ['/sample/probe?include=everything', 'include', 'provenance'],
  ])('%s', async (path, field, said) => {
    const { status, problem } = await archive.get(path);
    expect([status, problem?.field]).toEqual([422, field]);
    expect(problem?.message).toContain(said);
  });
});

describe('orders', () => {
  test.each([
    ['mass', 'acbd'],
    ['mass:desc', 'bcad'],
    ['is_alloy,name:desc', 'acbd'],
    ['is_alloy:desc,mass:asc', 'cbad'],
    ['source_id:desc', 'dcba'],
    ['grains,source_id', 'bacd'],
    ['cast_on:desc,source_id:desc', 'badc'],
  ])('records by %s come as %s, page by page', async (sort, expected) => {
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const { body } = await archive.post('/sample/records', { sort, limit: 1, cursor });
      found.push(...body.rows.map((row: Row) => row.source_id));
      cursor = body.next_cursor;
    }
    expect(found.join('')).toBe(expected);
  });

  test('a cursor is of one query only, and any change of it is found', async () => {
    const { body } = await archive.get('/sample/records?limit=1&sort=mass');
    const cursor: string = body.next_cursor;
    expect((await archive.get(`/sample/records?limit=2&sort=mass&cursor=${cursor}`)).status).toBe(200);
    for (const other of [
      `/sample/records?cursor=${cursor}`,
      `/sample/records?sort=mass:desc&cursor=${cursor}`,
      `/sample/records?sort=mass&history=true&cursor=${cursor}`,
      `/sample/probe?cursor=${cursor}`,
    ]) {
      const { status, problem } = await archive.get(other);
      expect([other, status, problem?.field]).toEqual([other, 422, 'cursor']);
    }
    const place = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    for (const change of [{ id: 'x' }, { k: ['9'] }, { t: '2000-01-01T00:00:00Z' }, { c: 'x' }]) {
      const changed = Buffer.from(JSON.stringify({ ...place, ...change })).toString('base64url');
      expect((await archive.get(`/sample/records?sort=mass&cursor=${changed}`)).status).toBe(422);
    }
  });
});

describe('time', () => {
  const masses = async (query: string) => {
    const { body } = await archive.get(`/sample/records?sort=source_id&${query}`);
    return body.rows.filter((row: Row) => row.source_id === 'a').map((row: Row) => row.mass);
  };
  test('as_of answers as it was before and after a correction', async () => {
    expect(await masses('')).toEqual([1.5]);
    expect(await masses(`as_of=${corrected}`)).toEqual([1]);
    expect(await masses('as_of=2000-01-01T00:00:00Z')).toEqual([]);
    expect(await masses('history=true')).toEqual([1, 1.5]);
    const scores = async (query: string) => {
      const { body } = await archive.get(`/sample/probe?${query}`);
      return body.rows.filter((row: Row) => row.record_source_id === 'a').map((row: Row) => row.score);
    };
    expect(await scores('')).toEqual([1.5]);
    expect(await scores(`as_of=${corrected}`)).toEqual([1]);
    expect(await scores('history=true')).toEqual([1, 1.5]);
  });

  test('history says which version is the current one', async () => {
    const { body } = await archive.get('/sample/records?history=true&sort=source_id,version&limit=2');
    expect(body.rows.map((row: Row) => [row.source_id, row.version, row._current])).toEqual([
      ['a', 1, false],
      ['a', 2, true],
    ]);
  });

  test('the pages of a query are all as of the first one', async () => {
    const first = (await archive.get('/sample/records?limit=1')).body;
    await archive.ingest([['e', { name: 'Later' }]]);
    let rest = 0;
    for (let cursor = first.next_cursor; cursor !== null; rest += 1) {
      const { body } = await archive.get(`/sample/records?limit=1&cursor=${cursor}`);
      expect(body.as_of).toBe(first.as_of);
      expect(body.rows.map((row: Row) => row.source_id)).not.toContain('e');
      cursor = body.next_cursor;
    }
    expect(rest).toBe(3);
    const filter = where('source_id', 'neq', 'e');
    const { rows } = (await archive.post('/sample/records', { filter })).body;
    expect(ids(rows)).toBe('abcd');
  });
});

describe('shapes', () => {
  test('a record row has its head, then every field in declared order, null where absent', async () => {
    const { body } = await archive.post('/sample/records', { filter: where('source_id', 'eq', 'c') });
    expect(Object.keys(body)).toEqual(['rows', 'next_cursor', 'has_more', 'as_of']);
    const [row] = body.rows;
    expect(Object.keys(row)).toEqual([
      ...['id', 'srn', 'schema_id', 'version', 'created_at', 'convention_id', 'source_id'],
      ...['name', 'mass', 'grains', 'cast_on', 'is_alloy', 'page', 'tags', 'readings'],
    ]);
    expect(row).toMatchObject({
      schema_id: 'sample@1.0.0',
      source_id: 'c',
      mass: 2.5,
      grains: null,
      tags: null,
    });
  });

  test('a feature row has its head, its provenance where asked for, and the columns', async () => {
    const plain = (await archive.get('/sample/probe?limit=1')).body.rows[0];
    const head = ['id', 'record_srn', 'run_id', 'release', 'created_at', 'record_source_id'];
    const columns = ['score', 'n', 'label', 'seen', 'day', 'uid', 'flag', 'list', 'all'];
    expect(Object.keys(plain)).toEqual([...head, ...columns]);
    const row = (await archive.get('/sample/probe?limit=1&include=provenance')).body.rows[0];
    expect(Object.keys(row)).toEqual([...head, '_digest', '_source_ref', '_stale', '_recalled', ...columns]);
    expect(row).toMatchObject({
      release: 1,
      _source_ref: 'git+https://example.org/repo@1',
      _stale: false,
      _recalled: [],
    });
    expect(row._digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test('the catalog names each schema with its tables', async () => {
    const { body } = await archive.get('');
    expect(body).toMatchObject({
      node_domain: 'localhost',
      schemas: [
        {
          id: 'sample',
          version: '1.0.0',
          srn: 'urn:osa:localhost:schema:sample@1.0.0',
          table_resources: [
            { name: 'records', kind: 'records' },
            { name: 'probe', kind: 'feature' },
          ],
        },
      ],
    });
  });

  test('the manifest describes fields, tables and counts, and so does its Markdown', async () => {
    for (const name of ['sample', 'sample@1.0.0']) {
      const { body } = await archive.get(`/${name}`);
      expect(body).toMatchObject({
        id: 'sample',
        version: '1.0.0',
        srn: 'urn:osa:localhost:schema:sample@1.0.0',
        license: 'CC-BY-4.0',
      });
      expect(body.fields[1]).toMatchObject({ name: 'mass', type: 'number', unit: 'g' });
      const [records, probe] = body.table_resources;
      expect([records.name, records.row_count, probe.name, probe.row_count]).toEqual([
        'records',
        5,
        'probe',
        5,
      ]);
      expect(probe.columns.at(6)).toMatchObject({
        name: 'score',
        type: 'number',
        unit: 'au',
        description: 'Fit score',
      });
      const markdown = await archive.get(`/${name}.md`);
      expect(markdown.headers['content-type']).toContain('text/markdown');
      expect(markdown.text).toMatch(/^# .*\n\nSchema `sample@1.0.0`/);
      expect(markdown.text).toContain('| score | number | au | Fit score |');
      expect(markdown.text).toContain('Licence: CC-BY-4.0');
    }
    expect((await archive.get('/absent')).status).toBe(404);
    expect((await archive.get('/sample@9.9.9.md')).status).toBe(404);
  });

  test('a record is read by its id, with or without a version', async () => {
    const { rows } = (await archive.get('/sample/records?history=true&sort=source_id,version&limit=2')).body;
    const [old, newest] = rows;
    expect((await archive.get(`/records/${old.id}`)).body).toMatchObject({ srn: newest.srn, version: 2 });
    const { body } = await archive.get(`/records/${old.id}@1`);
    expect(body).toEqual({
      id: old.id,
      srn: old.srn,
      schema_id: 'sample@1.0.0',
      version: 1,
      convention_id: 'samples',
      source_id: 'a',
      metadata: {
        name: 'Iron',
        mass: 1,
        grains: 3,
        cast_on: '2026-01-01',
        is_alloy: false,
        tags: ['raw', 'Fe'],
      },
      created_at: old.created_at,
    });
    expect((await archive.get(`/records/${old.id}@9`)).status).toBe(404);
    const strange = await archive.get(`/records/${old.id}@x`);
    expect([strange.status, strange.problem?.field]).toEqual([422, 'id']);
  });
});

describe('a sort that would look at too much', () => {
  /** The planner takes the density of a table from here, and its size from the file. */
  const pretend = async (rows: number) => {
    const { database } = archive.daemon;
    await database.open(database.ownerUrl, { max: 1 }).sql`
      update pg_class set relpages = 1, reltuples = ${rows}
      where oid in ('public.records'::regclass, 'features.probe'::regclass)`;
  };
  beforeAll(() => pretend(5_000_000_000));
  afterAll(() => pretend(5));

  test.each(['records', 'probe'])(
    'of %s is refused before it begins, and says what to narrow',
    async (table) => {
      const sort = table === 'records' ? 'version' : 'score';
      const { status, problem } = await archive.get(`/sample/${table}?sort=${sort}`);
      expect([status, problem?.field]).toEqual([422, 'sort']);
      expect(problem?.message).toContain(table === 'records' ? 'by source_id' : 'by record_source_id');
    },
  );

  test.each([
    ['records', 'version', 'source_id'],
    ['probe', 'score', 'record_source_id'],
  ])('of %s is answered where a filter names sources', async (table, sort, field) => {
    const filter = JSON.stringify({ kind: 'predicate', field, op: 'in', value: ['a', 'b'] });
    const { status, body } = await archive.get(
      `/sample/${table}?sort=${sort}&filter=${encodeURIComponent(filter)}`,
    );
    expect([status, body.rows.length]).toEqual([200, 2]);
  });

  test('in the order in which rows are stored is answered', async () => {
    expect((await archive.get('/sample/records?sort=created_at')).status).toBe(200);
  });
});
