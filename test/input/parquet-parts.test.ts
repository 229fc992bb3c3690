import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { Numbering } from '@osa/cli/input/columns';
import { compressors, parquetParts } from '@osa/cli/input/parquet/parts';
import { parquetRecords } from '@osa/cli/input/parquet/records';
import { parquetMetadataAsync } from 'hyparquet';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** Parts of a Parquet file, column by column. */

const rows = 140_000;
const select = `select range as n, 'row ' || range as name, [range, -range] as pair,
  case when range % 3 = 0 then null else range / 4.0 end as share from range(${rows})`;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'osa-parts-'));
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  for (const group of [20_480, rows]) {
    const target = join(directory, `${group}.parquet`);
    await connection.run(`copy (${select}) to '${target}' (row_group_size ${group})`);
  }
  connection.closeSync();
  instance.closeSync();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The bytes of a file, and how many were asked for. */
async function counted(group: number) {
  const bytes = await readFile(join(directory, `${group}.parquet`));
  const file = {
    asked: 0,
    byteLength: bytes.length,
    slice(start: number, end = bytes.length) {
      file.asked += end - start;
      return new Uint8Array(bytes.subarray(start, end)).buffer;
    },
  };
  return { file, metadata: await parquetMetadataAsync(file) };
}

test.each([20_480, rows])('groups of %i rows give each row once, in order', async (group) => {
  const { file, metadata } = await counted(group);
  let next = 0;
  for await (const { start, length, columns } of parquetParts(file, metadata, [
    'share',
    'n',
    'pair',
    'name',
  ])) {
    expect(start).toBe(next);
    const column = (title: string) => columns.get(title) ?? [];
    for (let index = 0; index < length; index++, next++) {
      const found = ['n', 'name', 'pair', 'share'].map((title) => column(title)[index]);
      const share = next % 3 === 0 ? undefined : next / 4;
      const wanted = [BigInt(next), `row ${next}`, [BigInt(next), BigInt(-next)], share];
      // Much faster than a matcher for each row.
      if (String(found) !== String(wanted)) expect(found).toEqual(wanted);
    }
  }
  expect(next).toBe(rows);
});

test('a large group is not read again for each few of its rows', async () => {
  const { file, metadata } = await counted(rows);
  file.asked = 0;
  for await (const _ of parquetParts(file, metadata, ['n', 'name', 'pair', 'share']));
  expect(file.asked).toBeLessThan(4 * file.byteLength);
});

test('a group that has fewer rows than the file says is damage', async () => {
  const { file, metadata } = await counted(rows);
  const read = async () => {
    for await (const _ of parquetParts(file, metadata, ['n']));
  };
  metadata.num_rows = BigInt(rows + 1);
  await expect(read()).rejects.toThrow(`its groups have ${rows} rows of ${rows + 1}`);
  const [group] = metadata.row_groups;
  if (group) group.num_rows = BigInt(rows + 1);
  await expect(read()).rejects.toThrow(`column n has`);
});

/** The parts of what DuckDB writes for `selected` as one group: how long they are. */
async function lengths(selected: string) {
  const target = join(directory, 'large.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`copy (${selected}) to '${target}' (row_group_size 1000000)`);
  connection.closeSync();
  instance.closeSync();
  const bytes = await readFile(target);
  const file = {
    byteLength: bytes.length,
    slice: (start: number, end = bytes.length) => new Uint8Array(bytes.subarray(start, end)).buffer,
  };
  const metadata = await parquetMetadataAsync(file);
  const titles = (metadata.row_groups[0]?.columns ?? []).map(({ meta_data: data }) =>
    String(data?.path_in_schema[0]),
  );
  const found: number[] = [];
  let before: ReadonlyMap<string, readonly unknown[]> | undefined;
  for await (const { length, columns } of parquetParts(file, metadata, titles)) {
    expect(before?.size ?? 0).toBe(0);
    expect(columns.size).toBe(titles.length);
    found.push(length);
    before = columns;
  }
  return found;
}

test('a part of many columns has fewer rows, and the part before it is given up', async () => {
  const columns = Array.from({ length: 200 }, (_, index) => `range + ${index} as c${index}`);
  const found = await lengths(`select ${columns.join(', ')} from range(50000)`);
  expect(found).toEqual([20_971, 20_971, 8_058]);
});

test('a part of long texts has fewer rows', async () => {
  const found = await lengths("select repeat('x', 2000) || range as long from range(60000)");
  expect(found.reduce((sum, length) => sum + length)).toBe(60_000);
  expect(Math.max(...found)).toBeLessThan(40_000);
});

test('records end with the signal, though nothing is waited for', async () => {
  const ended = new AbortController();
  const choices = { id: 'n', map: [], ignore: ['name', 'pair', 'share'], fill: false };
  let records = 0;
  const shares: number[] = [];
  const read = async () => {
    const named = { name: 'x.parquet', path: join(directory, `${rows}.parquet`) };
    for await (const text of parquetRecords(named, {
      ...{ wanted: { fields: [], openText: false }, choices, numbers: new Numbering() },
      stop: ended.signal,
      onRead: (share) => shares.push(share),
    })) {
      if (records === 0) setImmediate(() => ended.abort(new Error('interrupted')));
      records += text.split('\n').length - 1;
    }
  };
  await expect(read()).rejects.toThrow('interrupted');
  expect(records).toBeLessThan(10_000);
  expect(shares[0]).toBeLessThan(0.1);
});

test('a page that unpacks to more than it says is damage', () => {
  const page = Buffer.alloc(1_000_000);
  expect(compressors.GZIP(gzipSync(page), page.length)).toHaveLength(page.length);
  expect(() => compressors.GZIP(gzipSync(page), 1_000)).toThrow();
  expect(() => compressors.ZSTD(zstdCompressSync(page), 1_000)).toThrow();
});
