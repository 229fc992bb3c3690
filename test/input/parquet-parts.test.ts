import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetParts } from '@osa/cli/input/parquet/parts';
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
