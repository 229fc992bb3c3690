import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { unpackLz4 } from '@osa/cli/input/parquet/lz4';
import { compressors } from '@osa/cli/input/parquet/parts';
import { takeScales } from '@osa/cli/input/parquet/values';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ingestion, showConvention } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

/** Parquet that another program has written, read by `osa ingest`. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const field = (name: string, type: string, cardinality = 'exactly_one') => ({
  ...{ name, type, cardinality },
  required: false,
});
const fields = [
  field('name', 'text'),
  field('mass', 'number'),
  field('readings', 'number', 'zero_or_more'),
  field('seen', 'date'),
];

/** Sends the rows of `select`, as DuckDB writes them. */
const ingest = (select: string, ...args: readonly string[]) => ingestPacked(select, 'snappy', ...args);

async function ingestPacked(select: string, codec: string, ...args: readonly string[]) {
  await using world = await createCliWorld();
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`copy (${select}) to '${join(world.cwd, 'x.parquet')}' (compression ${codec})`);
  connection.closeSync();
  instance.closeSync();
  await using server = await startFakeServer(({ method, path }) => {
    if (method === 'POST') return { status: 201, body: ingestion };
    return path.includes('/conventions/')
      ? { body: { ...showConvention, fields } }
      : problem(404, 'not_found', path);
  });
  const environment = { OSA_KEY: key, OSA_SERVER: server.url };
  const { code, stdout, stderr } = await world.osa(['ingest', 'x', 'x.parquet', '--no-wait', ...args], {
    environment,
  });
  const sent = server.requests.find(({ method }) => method === 'POST')?.body ?? '';
  return { code, stdout, stderr, records: sent.split('\n').filter(Boolean) };
}

test('records of two files of Parquet are numbered as one upload', async () => {
  const { code, records } = await ingest("select unnest(['a', 'b']) as name", ...['x.parquet', '--id', '#']);
  expect(code).toBe(0);
  expect(records.map((record) => JSON.parse(record).source_id)).toEqual(['1', '2', '3', '4']);
});

test('a value that breaks a rule of the schema is reported with file, row, column and value', async () => {
  const { records } = await ingest("select unnest(['a', 'b']) as id, unnest(['2026-01-31', 'soon']) as Seen");
  expect(records.map((record) => JSON.parse(record).problem)).toEqual([
    undefined,
    expect.stringMatching(/^x\.parquet row 2: column "Seen": seen: "soon" is not a date/),
  ]);
});

test('--check names the row of one of two files of Parquet', async () => {
  const { stdout } = await ingest(
    "select unnest(['2026-01-31', 'soon']) as seen",
    'x.parquet',
    '--id',
    '#',
    '--check',
  );
  expect(stdout).toContain('x.parquet row 2 (2), x.parquet row 2 (4)');
});

describe('a decimal of Parquet', () => {
  test.each([
    ['decimal(4, 1)', '0.3', '0.3'],
    ['decimal(9, 3)', '-0.007', '-0.007'],
    ['decimal(18, 2)', '9007199254740993.07', '9007199254740993.07'],
    [
      'decimal(38, 10)',
      '-1234567890123456789012345678.0000000001',
      '-1234567890123456789012345678.0000000001',
    ],
    ['decimal(20, 0)', '12345678901234567890', '12345678901234567890'],
  ])('%s keeps its digits', async (type, value, expected) => {
    const { code, records } = await ingest(
      `select 'a' as id, ${value}::${type} as mass, [${value}::${type}, null] as readings`,
    );
    expect(code).toBe(0);
    expect(records).toEqual([
      `{"source_id":"a","metadata":{"mass":${expected},"readings":[${expected},null]},` +
        '"problem":"x.parquet row 1: readings[1]: null is not a number"}',
    ]);
  });

  test('is an id', async () => {
    const { records } = await ingest(`select 17::decimal(38, 0) as id, 'x' as name`);
    expect(records).toEqual(['{"source_id":"17","metadata":{"name":"x"}}']);
  });

  test('inside an object is refused with the column', async () => {
    const { code, stderr } = await ingest(`select 'a' as id, {'x': 0.3::decimal(4, 1), 'y': 1} as name`);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/column "name" has decimals inside objects/)]);
  });

  test.each([
    ['an object of one member', `{'x': 0.3::decimal(4, 1)}`],
    ['a list of such objects', `[{'x': 0.3::decimal(4, 1)}]`],
    ['a map', `map {'x': 0.3::decimal(4, 1)}`],
  ])('inside %s is refused as well', async (_name, value) => {
    const { code, stderr } = await ingest(`select 'a' as id, ${value} as name`);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/column "name" has decimals inside objects/)]);
  });

  test('inside an object is nothing to a file whose column is left out', async () => {
    const row = `select 'a' as id, 0.3::decimal(4, 1) as mass, {'x': 0.3::decimal(4, 1), 'y': 1} as extent`;
    const { code, records } = await ingest(row, '--ignore', 'extent');
    expect([code, records]).toEqual([0, ['{"source_id":"a","metadata":{"mass":0.3}}']]);
  });

  test('in lists of lists keeps its digits', async () => {
    const { records } = await ingest(`select 'a' as id, [[0.3::decimal(4, 1)], null] as readings`);
    expect(records.map((record) => JSON.stringify(JSON.parse(record).metadata))).toEqual([
      '{"readings":[[0.3],null]}',
    ]);
  });

  test('with a negative scale is refused, as the format does', () => {
    const schema = [
      { name: 'root', num_children: 1 },
      { name: 'mass', type: 'INT32', converted_type: 'DECIMAL', precision: 4, scale: -1 },
    ];
    const metadata = { version: 2, schema, num_rows: 1n, row_groups: [], metadata_length: 0 };
    const take = () =>
      takeScales(metadata as unknown as Parameters<typeof takeScales>[0], {
        name: 'x.parquet',
        read: ['mass'],
      });
    expect(take).toThrow('x.parquet: column "mass" has decimals with the scale -1');
  });
});

test('text of Parquet keeps a byte order mark, and bytes that are no text spoil their record', async () => {
  const { code, records } = await ingest(
    `select * from (values ('a', encode(chr(65279) || 'ö')), ('b', '\\xFF\\xC3\\xB6'::blob)) t(id, name)`,
  );
  expect(code).toBe(0);
  expect(records).toEqual([
    '{"source_id":"a","metadata":{"name":"\ufeffö"}}',
    `{"source_id":"b","metadata":{"name":"\ufffdö"},"problem":"x.parquet row 2: column \\"name\\": \\"\ufffdö\\" has bytes that are not UTF-8"}`,
  ]);
});

test('a time of Parquet without a zone is in UTC', async () => {
  const { records } = await ingest(`select 'a' as id, timestamp '2026-01-02 03:04:05.1' as seen`);
  expect(records).toEqual(['{"source_id":"a","metadata":{"seen":"2026-01-02T03:04:05.1Z"}}']);
});

test('a time of day of Parquet is a text, alone and as the id', async () => {
  const { records } = await ingest(
    `select unnest([time '00:00:00', '09:05:01.05', '23:59:59.999999', '24:00:00']) as name, name as id`,
  );
  expect(records.map((record) => JSON.parse(record))).toEqual(
    ['00:00:00', '09:05:01.05', '23:59:59.999999', '24:00:00'].map((name) => ({
      source_id: name,
      metadata: { name },
    })),
  );
});

test('a map of Parquet is an object with its keys', async () => {
  const { records } = await ingest(`select 'a' as id, map {'xy': 1, 'é': 2} as name`);
  expect(records.map((record) => JSON.parse(record).metadata.name)).toEqual([{ xy: 1, é: 2 }]);
});

test.each(['date', 'timestamp', 'timestamptz'])(
  'an infinite %s of Parquet spoils its record only',
  async (type) => {
    const { code, records } = await ingest(
      `select unnest(['a', 'b', 'c']) as id, unnest(['2026-01-02'::${type}, 'infinity', '-infinity']) as seen`,
    );
    expect([code, ...records.map((record) => JSON.parse(record).problem)]).toEqual([
      0,
      undefined,
      expect.stringMatching(/^x\.parquet row 2: column "seen": infinity is a time beyond/),
      expect.stringMatching(/^x\.parquet row 3: column "seen": -infinity is a time beyond/),
    ]);
  },
);

describe('Parquet packed by', () => {
  const select = `select 'r' || i as id, repeat('ab' || i, i % 90) || md5(i::text) as name, i / 7 as mass from range(5000) t(i)`;
  test.each(['snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw'])('%s is read', async (codec) => {
    const { records } = await ingestPacked(select, codec);
    expect(records).toHaveLength(5_000);
    expect(records).toEqual((await ingestPacked(select, 'uncompressed')).records);
  });
});

test('LZ4 of which bytes are changed or cut off ends with an error or other bytes', () => {
  // Literals, a copy that overlaps itself, and lengths of more than one byte.
  const block = Buffer.from([0x1f, 97, 1, 0, 255, 10, 0x50, 98, 99, 100, 101, 102]);
  const size = 1 + 4 + 15 + 255 + 10 + 5;
  expect(Buffer.from(unpackLz4(block, size)).toString()).toBe(`${'a'.repeat(size - 5)}bcdef`);
  fc.assert(
    fc.property(fc.nat(block.length - 1), fc.nat(255), fc.nat(block.length), (at, byte, length) => {
      const changed = Buffer.from(block.with(at, byte)).subarray(0, length);
      try {
        expect(unpackLz4(changed, size)).toHaveLength(size);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }),
  );
});

test.each(['gzip', 'zstd', 'brotli', 'lz4_raw'])('Parquet with damaged %s is refused as such', (title) => {
  const packed = { gzip: 'GZIP', zstd: 'ZSTD', brotli: 'BROTLI', lz4_raw: 'LZ4_RAW' }[
    title
  ] as keyof typeof compressors;
  expect(() => compressors[packed](Buffer.from('no such data'), 100)).toThrow(
    expect.not.objectContaining({ code: expect.anything() }),
  );
});
