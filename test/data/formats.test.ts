import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { type Table, tableFromIPC } from 'apache-arrow';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/database/database.ts';
import { type DataArchive, dataArchive } from './archive.ts';

/** Whole tables as files. */

const big = '12345678901234567890';
let archive: DataArchive;
beforeAll(async () => {
  archive = await dataArchive();
  await archive.ingest([
    [
      'a',
      {
        name: 'Iron, "pure"',
        mass: 1.5,
        grains: 3,
        cast_on: '2026-01-01',
        is_alloy: false,
        tags: ['x', 'y'],
      },
    ],
    ['b', `{"name":"","mass":${big},"cast_on":"2026-01-01T12:00:00+01:00","is_alloy":true}`],
    ['c', { name: 'two\r\nlines', mass: 1e-7 }],
  ]);
}, 60_000);
afterAll(() => archive.close());

const bytesOf = async (path: string): Promise<Buffer> => {
  const { statusCode, body } = await request(`${archive.daemon.url}/api/v1/data${path}`);
  expect(statusCode).toBe(200);
  return Buffer.from(await body.arrayBuffer());
};
const columns = 'source_id,name,mass,grains,cast_on,is_alloy,tags';

describe('CSV', () => {
  const expected = [
    columns,
    'a,"Iron, ""pure""",1.5,3,2026-01-01,False,"[""x"",""y""]"',
    `b,"",${big},,2026-01-01T12:00:00+01:00,True,`,
    'c,"two\r\nlines",1e-7,,,,',
    '',
  ].join('\r\n');

  test('has a header, quotes where needed, and tells an empty text from an absent value', async () => {
    const path = `/sample/records.csv?sort=source_id&columns=${columns}`;
    expect((await bytesOf(path)).toString()).toBe(expected);
    const { headers } = await archive.get(path);
    expect(headers['content-type']).toContain('text/csv');
    expect(headers['content-disposition']).toBe('attachment; filename="sample-1.0.0-records.csv"');
  });

  test('is the same packed, and by POST with a filter', async () => {
    const packed = await bytesOf(`/sample/records.csv.gz?sort=source_id&columns=${columns}`);
    expect(gunzipSync(packed).toString()).toBe(expected);
    const filter = { kind: 'predicate', field: 'metadata.mass', op: 'lt', value: 1 };
    const { text } = await archive.post('/sample/records.csv', { filter, columns: ['source_id', 'mass'] });
    expect(text).toBe('source_id,mass\r\nc,1e-7\r\n');
  });

  test('of no rows is its header', async () => {
    expect((await bytesOf('/sample/records.csv?as_of=2000-01-01T00:00:00Z&columns=id,name')).toString()).toBe(
      'id,name\r\n',
    );
  });
});

test('NDJSON has the rows of the JSON pages', async () => {
  for (const table of ['records', 'probe']) {
    const { rows } = (await archive.get(`/sample/${table}`)).body;
    const lines = (await bytesOf(`/sample/${table}.ndjson`)).toString().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(rows);
    expect(
      gunzipSync(await bytesOf(`/sample/${table}.ndjson.gz`))
        .toString()
        .trimEnd()
        .split('\n'),
    ).toEqual(lines);
  }
});

describe('Parquet, read by DuckDB', () => {
  const query = async (path: string, sql: string) => {
    const file = join(archive.daemon.directory, `${crypto.randomUUID()}.parquet`);
    await writeFile(file, await bytesOf(path));
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(sql.replaceAll('FILE', `'${file}'`));
    const rows = reader.getRowsJson();
    connection.closeSync();
    instance.closeSync();
    return rows;
  };

  test('has a type for each column', async () => {
    const rows = await query(
      '/sample/probe.parquet',
      'select column_name, column_type from (describe select * from FILE)',
    );
    expect(Object.fromEntries(rows as [string, string][])).toMatchObject({
      id: 'BIGINT',
      record_srn: 'VARCHAR',
      run_id: 'UUID',
      created_at: 'TIMESTAMP WITH TIME ZONE',
      score: 'DOUBLE',
      n: 'BIGINT',
      seen: 'TIMESTAMP WITH TIME ZONE',
      day: 'DATE',
      uid: 'UUID',
      flag: 'BOOLEAN',
      list: 'JSON',
      all: 'JSON',
    });
  });

  test('has the values', async () => {
    const rows = await query(
      '/sample/probe.parquet',
      `select record_source_id, score, n, label, epoch_us(seen), day, uid, flag, json_extract_string("all", '$.name')
       from FILE order by 1`,
    );
    const uid = '018f6b1e-7c3a-7d2b-9c4e-5f60718293a4';
    const noon = String(Date.parse('2026-01-01T12:00:00.5Z') * 1_000);
    expect(rows).toEqual([
      ['a', 1.5, '3', 'Iron, "pure"', noon, '2026-01-01', uid, false, 'Iron, "pure"'],
      ['b', Number(big), null, '', noon, '2026-01-01', uid, true, ''],
      ['c', 1e-7, null, 'two\r\nlines', null, null, uid, null, 'two\r\nlines'],
    ]);
  });

  test('keeps the digits that no double has in its metadata', async () => {
    const [[value]] = (await query(
      '/sample/records.parquet?sort=source_id',
      `select decode(value) from parquet_kv_metadata(FILE) where decode(key) = 'osa.exact'`,
    )) as [[string]];
    expect(JSON.parse(value)).toEqual({ mass: { 1: big } });
  });
});

describe('Arrow', () => {
  const typesOf = ({ schema }: Table) =>
    Object.fromEntries(schema.fields.map(({ name, type }) => [name, String(type)]));
  const microsecondsOf = (table: Table, name: string) =>
    table.getChild(name)?.data.flatMap(({ values }) => [...(values as BigInt64Array)]) ?? [];

  test('has the values and types that another implementation reads', async () => {
    const records = tableFromIPC(await bytesOf('/sample/records.arrow?sort=source_id'));
    expect(typesOf(records)).toMatchObject({
      version: 'Int64',
      created_at: 'Timestamp<MICROSECOND, UTC>',
      name: 'Utf8',
      mass: 'Float64',
      is_alloy: 'Bool',
      tags: 'Utf8',
    });
    const rows = records.toArray().map((row) => row.toJSON());
    expect(rows.map(({ source_id, name, mass }) => [source_id, name, mass])).toEqual([
      ['a', 'Iron, "pure"', 1.5],
      ['b', '', Number(big)],
      ['c', 'two\r\nlines', 1e-7],
    ]);
    expect(rows.map(({ is_alloy, tags }) => [is_alloy, tags])).toEqual([
      [false, '["x","y"]'],
      [true, null],
      [null, null],
    ]);
    expect(rows.map(({ _exact }) => _exact)).toEqual([null, `{"mass":${big}}`, null]);
    const extensions = records.schema.fields.map((field) => field.metadata.get('ARROW:extension:name'));
    expect(extensions.filter((name) => name === 'arrow.json')).toHaveLength(3);
  });

  test('of rows has times to the microsecond, days, UUIDs and 64-bit integers', async () => {
    const probe = tableFromIPC(await bytesOf('/sample/probe.arrow'));
    expect(typesOf(probe)).toMatchObject({
      n: 'Int64',
      seen: 'Timestamp<MICROSECOND, UTC>',
      day: 'Date32<DAY>',
      uid: 'FixedSizeBinary[16]',
      flag: 'Bool',
    });
    expect(probe.schema.names).not.toContain('_exact');
    const { rows } = (await archive.get('/sample/probe')).body;
    const seen = microsecondsOf(probe, 'seen');
    for (const [index, row] of rows.entries()) {
      const read = probe.get(index)?.toJSON() ?? {};
      expect([Number(read.id), read.label, read.score]).toEqual([row.id, row.label, row.score]);
      expect(read.n ?? null).toBe(row.n === null ? null : BigInt(row.n));
      expect(Buffer.from(read.uid).toString('hex')).toBe(row.uid.replaceAll('-', ''));
      expect(read.day ?? null).toBe(row.day === null ? null : Date.parse(row.day));
      if (row.seen !== null) expect(seen[index]).toBe(BigInt(Date.parse(row.seen)) * 1_000n);
      expect(JSON.parse(read.all)).toEqual(row.all);
    }
  });

  test('of no rows has its columns', async () => {
    const none = tableFromIPC(
      await bytesOf('/sample/records.arrow?as_of=2000-01-01T00:00:00Z&columns=id,mass'),
    );
    expect([none.numRows, none.schema.names]).toEqual([0, ['id', 'mass', '_exact']]);
  });
});

test.each([
  ['/sample/records.xlsx', 404, 'format'],
  ['/sample/probe.csv.zip', 404, 'format'],
  ['/sample/absent.csv', 404, 'feature'],
  ['/sample/records.csv?columns=absent', 422, 'columns'],
  ['/sample/records.csv?columns=id,id', 422, 'columns'],
  ['/sample/records.csv?sort=absent', 422, 'sort'],
  ['/sample/records.csv?limit=3', 422, 'limit'],
])('%s is refused before anything is sent', async (path, status, field) => {
  const answer = await archive.get(path);
  expect([answer.status, answer.problem?.field]).toEqual([status, field]);
});

test('clients that go away or stop reading leave nothing behind', async () => {
  const gone = Array.from({ length: 10 }, async () => {
    const { body } = await request(`${archive.daemon.url}/api/v1/data/sample/records.csv`);
    body.destroy();
    body.on('error', () => undefined);
  });
  await Promise.all(gone);
  const database = archive.daemon.database.open(archive.daemon.database.ownerUrl);
  await until('the statements to end', async () => {
    const [row] = await database.sql<{ running: string }[]>`
      select count(*) as running from pg_stat_activity where application_name = 'osad reads' and state <> 'idle'`;
    return row?.running === '0';
  });
  expect((await archive.get('/sample/records')).status).toBe(200);
});
