import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ingestion, showConvention } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

/** Files as people have them, read by `osa ingest`. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const fields = [
  { name: 'name', type: 'text', required: true, cardinality: 'exactly_one' },
  {
    name: 'mass',
    type: 'number',
    required: false,
    cardinality: 'exactly_one',
    constraints: { type: 'number', max_value: 100 },
  },
];

async function ingest(
  files: Readonly<Record<string, string | Buffer>>,
  args: readonly string[],
  stdin?: string,
) {
  await using world = await createCliWorld();
  for (const [name, content] of Object.entries(files)) await writeFile(join(world.cwd, name), content);
  await using server = await startFakeServer(({ method, path }) => {
    if (method === 'POST' && path.includes('/refusing/')) {
      return problem(422, 'invalid', 'line 4: twice', { details: { line: 4 } });
    }
    if (method === 'POST') return { status: 201, body: ingestion };
    return path.includes('/conventions/')
      ? { body: { ...showConvention, fields } }
      : problem(404, 'not_found', path);
  });
  const argv = ['ingest', ...(args[0] === 'refusing' ? args : ['x', ...args])];
  const environment = { OSA_KEY: key, OSA_SERVER: server.url };
  const result = await world.osa(argv, { environment, ...(stdin !== undefined && { stdin }) });
  const uploads = server.requests.filter(({ method }) => method === 'POST').map(({ body }) => body);
  return { ...result, uploads, body: uploads[0] ?? '' };
}

const lines = (body: string) => body.split('\n').slice(0, -1);

describe('a table', () => {
  const table = 'id,Name,mass\r\n1,"a, ""b""\r\nc",1.10\r\n\r\n2,d,\r\n3,e,12345678901234567890';

  test('becomes a record a row, on the line of the file, with the digits that it has', async () => {
    const { code, body } = await ingest({ 'x.csv': table }, ['x.csv', '--no-wait']);
    expect(code).toBe(0);
    expect(lines(body)).toEqual([
      '',
      '{"source_id":"1","metadata":{"name":"a, \\"b\\"\\r\\nc","mass":1.10}}',
      '',
      '',
      '{"source_id":"2","metadata":{"name":"d"}}',
      '{"source_id":"3","metadata":{"name":"e","mass":12345678901234567890},' +
        '"problem":"x.csv line 6: mass: 12345678901234567890 is more than 100"}',
    ]);
  });

  test('a cell of U+0000 alone is no empty text', async () => {
    const { body } = await ingest({ 'x.csv': 'id,name\n1,\0\n2,""\n' }, ['x.csv', '--no-wait']);
    expect(lines(body).map((line) => line && JSON.parse(line).metadata.name)).toEqual(['', '\0\0', '']);
  });

  const plain = 'id,name,mass\n1,ä,1\n';
  const expected = '\n{"source_id":"1","metadata":{"name":"ä","mass":1}}\n';
  test.each<[string, string, string | Buffer, readonly string[]]>([
    ['with a byte order mark', 'x.csv', `\ufeff${plain}`, []],
    ['with line ends of an old Mac', 'x.csv', plain.replaceAll('\n', '\r'), []],
    ['packed by gzip', 'x.csv.gz', gzipSync(plain), []],
    ['packed by gzip under another name', 'x.csv', gzipSync(plain), []],
    ['packed by zstd', 'x.csv.zst', zstdCompressSync(plain), []],
    ['separated by tabs', 'x.tsv', plain.replaceAll(',', '\t'), []],
    ['separated by semicolons', 'x.csv', plain.replaceAll(',', ';'), []],
    ['separated by what is given', 'x.csv', plain.replaceAll(',', '~'), ['--separator', '~']],
    ['in Latin-1', 'x.csv', Buffer.from(plain, 'latin1'), ['--encoding', 'latin1']],
    ['in UTF-16', 'x.csv', Buffer.from(`\ufeff${plain}`, 'utf16le'), []],
    ['without an ending in its name', 'x', plain, []],
    ['whose name says otherwise', 'x.ndjson', plain, ['--format', 'csv']],
  ])('%s is read', async (_, name, content, args) => {
    const { body, stderr } = await ingest({ [name]: content }, [name, '--no-wait', ...args]);
    expect([body, stderr]).toEqual([expected, '']);
  });

  test.each<[string, string, string | Buffer, readonly string[]]>([
    ['a semicolon', 'x.csv', `sep=;\n${plain.replaceAll(',', ';')}`, []],
    ['a rare separator', 'x.csv', `SEP=~\r\n${plain.replaceAll(',', '~')}`, []],
    ['a tab', 'x.csv', `\ufeffsep=\t\r\n${plain.replaceAll(',', '\t')}`, []],
    ['a separator in quotes', 'x.csv', `"sep=;"\r${plain.replaceAll(',', ';').replaceAll('\n', '\r')}`, []],
    ['another separator than its ending', 'x.tsv', `sep=;\n${plain.replaceAll(',', ';')}`, []],
    [
      'a separator in UTF-16',
      'x.csv',
      Buffer.from(`\ufeffsep=;\n${plain.replaceAll(',', ';')}`, 'utf16le'),
      [],
    ],
    ['a separator, which --separator corrects', 'x.csv', `sep=;\n${plain}`, ['--separator', ',']],
    ['a separator before quoted titles', 'x.csv', `sep=;\n"id";"name";"mass"\n"1";"ä";1\n`, []],
  ])(
    'whose first line names %s is read, and its lines keep their numbers',
    async (_, name, content, args) => {
      const { body, stderr } = await ingest({ [name]: content }, [name, '--no-wait', ...args]);
      expect([body, stderr]).toEqual([`\n${expected}`, '']);
    },
  );

  test('on standard input is read', async () => {
    expect((await ingest({}, ['-', '--no-wait'], plain)).body).toBe(expected);
  });

  test('has cells that do not fit, which make their record invalid with file, line, column and value', async () => {
    const { body } = await ingest({ 'x.csv': 'id,name,Mass\n1,a,heavy\n2,b,1,2\n' }, ['x.csv', '--no-wait']);
    const [, heavy, long] = lines(body).map((line) => JSON.parse(line || '{}'));
    expect(heavy).toEqual({
      source_id: '1',
      metadata: { name: 'a', mass: 'heavy' },
      problem: 'x.csv line 2: column "Mass": "heavy" is not a number',
    });
    expect(long.problem).toBe('x.csv line 3: has 4 cells, and the header 3');
  });

  test('has rows that lack cells, which are invalid unless --fill takes those as empty', async () => {
    // A line break without quotes, an empty cell that was left out, a file that was cut off, and a foot.
    const content = 'id,name,mass,\n1,a,1\n2,in\ntwo,2\n3,b\nTotal: 3';
    const of = (body: string) =>
      lines(body)
        .slice(1)
        .map((line) => JSON.parse(line));
    const { body } = await ingest({ 'x.csv': content }, ['x.csv', '--ignore', '', '--no-wait']);
    const lacks = (line: number, cells: string) =>
      `x.csv line ${line}: has ${cells}, and the header 4 (--fill takes the others as empty)`;
    expect(of(body).map(({ problem }) => problem)).toEqual([
      ...[undefined, lacks(3, '2 cells'), lacks(4, '2 cells'), lacks(5, '2 cells')],
      `${lacks(6, '1 cell')}; name: is required, but is absent`,
    ]);
    const filled = await ingest({ 'x.csv': content }, ['x.csv', '--ignore', '', '--fill', '--no-wait']);
    expect(
      of(filled.body)
        .map(({ problem }) => problem)
        .slice(0, 4),
    ).toEqual(Array(4).fill(undefined));
    expect(of(filled.body)[3]).toEqual({ source_id: '3', metadata: { name: 'b' } });
  });

  test('has cells that break a rule of the schema, which are reported with file, line, column and value', async () => {
    const content = 'id,name,Mass (kg)\n1,a,1\n2,,500\n';
    const { body } = await ingest({ 'x.csv': content }, ['x.csv', '--map', 'mass=Mass (kg)', '--no-wait']);
    const [, right, wrong] = lines(body).map((line) => JSON.parse(line || '{}'));
    expect(right).toEqual({ source_id: '1', metadata: { name: 'a', mass: 1 } });
    expect(wrong).toEqual({
      source_id: '2',
      metadata: { mass: 500 },
      problem:
        'x.csv line 3: name: is required, but is absent; column "Mass (kg)": mass: 500 is more than 100',
    });
  });

  test('with decimal commas between semicolons is refused with the reason', async () => {
    const { code, stderr } = await ingest({ 'x.csv': 'id;name;mass\n1;a;1\n2;b;1,5\n' }, ['x.csv']);
    expect(code).toBe(2);
    expect(stderr).toContain('x.csv line 3, column "mass": "1,5"');
  });

  test.each([
    [
      'is not UTF-8',
      Buffer.from(`id,name\n1,a\n2,${'\xe9'}\n`, 'latin1'),
      'line 3: this is not UTF-8',
      '--encoding latin1',
    ],
    ['has an open quote', 'id,name\n1,"a\n2,b\n', 'line 2', 'not closed'],
    ['has a quote within a cell', 'id,name\n1,5" pipe\n', 'line 2', 'double each quote'],
    ['has an unknown column', 'id,name,colour\n1,a,red\n', '"colour"', "--ignore 'colour'"],
  ])('that %s is refused with the place and what helps', async (_, content, place, advice) => {
    const { code, stderr } = await ingest({ 'x.csv': content }, ['x.csv']);
    expect(code).toBe(2);
    expect(stderr).toContain(place);
    expect(stderr).toContain(advice);
  });

  test('numbers its records where no column is their id', async () => {
    const { body } = await ingest({ 'x.csv': 'name\na\nb\n' }, ['x.csv', '--id', '#', '--no-wait']);
    expect(
      lines(body)
        .slice(1)
        .map((line) => JSON.parse(line).source_id),
    ).toEqual(['1', '2']);
  });
});

describe('several files', () => {
  const files = { 'a.csv': 'id,name\n1,a\n', 'b.ndjson': '\n{"source_id":"2","metadata":{"name":"b"}}' };

  test('are one upload', async () => {
    const { uploads } = await ingest(files, ['a.csv', 'b.ndjson', '--no-wait']);
    expect(uploads).toEqual([
      '\n{"source_id":"1","metadata":{"name":"a"}}\n\n{"source_id":"2","metadata":{"name":"b"}}\n',
    ]);
  });

  test('are told apart where the server refuses a line', async () => {
    const { code, stderr } = await ingest(files, ['refusing', 'a.csv', 'b.ndjson']);
    expect([code, stderr.includes('line 4: twice (b.ndjson line 2)')]).toEqual([2, true]);
  });

  test('are numbered as one upload', async () => {
    const { code, body } = await ingest(
      {
        'a.csv': 'name\na\nb\n',
        'b.csv.gz': gzipSync('name\nc\n\nd\n'),
        'c.ndjson': '{"name":"e"}\n',
        'd.json': '[\n{"name":"f"}\n]',
        'e.tsv': 'name\tmass\ng\t1\n',
      },
      ['a.csv', 'b.csv.gz', 'c.ndjson', 'd.json', 'e.tsv', '--id', '#', '--no-wait'],
    );
    expect(code).toBe(0);
    const records = lines(body).flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    expect(records.map(({ source_id, metadata }) => `${source_id} ${metadata.name}`)).toEqual([
      ...['1 a', '2 b', '3 c', '4 d', '5 e', '6 f', '7 g'],
    ]);
  });

  test('of which one is not there send nothing', async () => {
    const { code, uploads } = await ingest(files, ['a.csv', 'c.csv']);
    expect([code, uploads]).toEqual([2, []]);
  });
});

describe('JSON', () => {
  const record = { source_id: '1', metadata: { name: 'a' } };

  test.each([
    ['a list on one line', JSON.stringify([record])],
    ['a list on many lines', JSON.stringify([record], null, 2)],
    ['an object on many lines', JSON.stringify(record, null, 2)],
    ['with a byte order mark', `\ufeff${JSON.stringify(record)}\n`],
  ])('that is %s is read', async (_, content) => {
    const { body } = await ingest({ 'x.json': content }, ['x.json', '--no-wait']);
    expect(JSON.parse(body)).toEqual(record);
  });

  test('that is flat is read with --id, digit by digit, and refused without', async () => {
    const flat = '{"key": 12345678901234567890, "Name": "a", "mass": 1.10, "extra": null}\n';
    const refused = await ingest({ 'x.ndjson': flat }, ['x.ndjson']);
    expect([refused.code, refused.stderr.includes('--id MEMBER')]).toEqual([2, true]);
    const args = ['x.ndjson', '--id', 'key', '--ignore', 'extra', '--no-wait'];
    const { body } = await ingest({ 'x.ndjson': flat }, args);
    expect(body).toBe('{"source_id":"12345678901234567890","metadata":{"name":"a","mass":1.1}}\n');
    const list = await ingest({ 'x.json': `[${flat}]` }, ['x.json']);
    expect(list.code).toBe(2);
  });

  test('that says its id already is refused with --id', async () => {
    const { code, stderr } = await ingest({ 'x.ndjson': JSON.stringify(record) }, [
      'x.ndjson',
      '--id',
      'name',
    ]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('leave out --id')]);
  });

  test('is not looked for in a convention', async () => {
    const { code, stderr } = await ingest({ 'convention.yaml': 'slug: x\n' }, ['convention.yaml']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('convention.yaml is YAML')]);
  });

  test('is numbered by its records, however they are laid out', async () => {
    const records = [{ name: 'a' }, { name: 'b', mass: 2 }, { name: 'c' }];
    const layouts = {
      'compact.json': JSON.stringify(records),
      'pretty.json': `\n${JSON.stringify(records, null, 2)}`,
      'x.ndjson': records.map((record) => `\n${JSON.stringify(record)}\n`).join('\n'),
    };
    for (const [name, content] of Object.entries(layouts)) {
      const { body } = await ingest({ [name]: content }, [name, '--id', '#', '--no-wait']);
      const sent = lines(body).flatMap((line) => (line === '' ? [] : [JSON.parse(line).source_id]));
      expect([name, sent]).toEqual([name, ['1', '2', '3']]);
    }
  });

  test.each([['NaN'], ['[1, -Infinity]']])('with %s is told to write null', async (value) => {
    const { code, stderr } = await ingest({ 'x.ndjson': `{"id": "1", "mass": ${value}}\n` }, [
      'x.ndjson',
      '--id',
      'id',
    ]);
    expect([code, stderr.includes('write null')]).toEqual([2, true]);
  });
});

describe('a file of JSON that is one object around its records', () => {
  const features = [1, 2].map((id) => ({
    type: 'Feature',
    id,
    properties: { name: `n${id}` },
    geometry: null,
  }));
  const many = Array.from({ length: 3_000 }, (_, id) => ({ ...features[0], id }));
  const pretty = (value: unknown) => JSON.stringify(value, null, 2);
  test.each<[string, string, readonly string[], string]>([
    ['GeoJSON', JSON.stringify({ type: 'FeatureCollection', features }), [], '.features[] | {source_id'],
    ['GeoJSON with --id', pretty({ type: 'FeatureCollection', features }), ['--id', 'id'], '.features[] |'],
    ['large GeoJSON', JSON.stringify({ type: 'FeatureCollection', features: many }), [], '.features[] |'],
    [
      'large GeoJSON with its type at the end',
      pretty({ features: many, type: 'FeatureCollection' }),
      [],
      '.features[] |',
    ],
    [
      'GeoJSON with metadata',
      pretty({ type: 'FeatureCollection', metadata: { count: 2 }, features }),
      [],
      '.features[] |',
    ],
    [
      'an object with a list',
      pretty({ metadata: { count: 2 }, data: [{ name: 'a' }] }),
      [],
      "jq -c '.data[]' FILE",
    ],
    ['a large object with a list', JSON.stringify({ data: many }), [], "jq -c '.data[]' FILE"],
    ['a large object', JSON.stringify({ data: { a: many } }), [], "jq -c '.MEMBER[]' FILE"],
  ])('as %s, is refused with the command that helps', async (_, content, args, said) => {
    const { code, stderr, uploads } = await ingest({ 'x.json': content }, ['x.json', ...args]);
    expect([code, stderr, uploads]).toEqual([2, expect.stringContaining(said), []]);
  });

  test('is told apart from a record with lists of objects', async () => {
    const record = `${JSON.stringify({ metadata: { name: 'x'.repeat(70_000) }, source_id: 'a' })}\n`;
    expect((await ingest({ 'x.ndjson': record }, ['x.ndjson', '--no-wait'])).body).toBe(record);
    const flat = [{ data: [{ a: 1 }], id: 'a', name: 'b' }].map((each) => JSON.stringify(each)).join('\n');
    const read = await ingest({ 'x.ndjson': flat }, [
      'x.ndjson',
      '--id',
      'id',
      '--ignore',
      'data',
      '--no-wait',
    ]);
    expect([read.code, read.body]).toEqual([0, '{"source_id":"a","metadata":{"name":"b"}}\n']);
  });
});

describe('a file that holds no text', () => {
  test.each([
    ['a spreadsheet', Buffer.from('PK\x03\x04rest'), 'CSV UTF-8'],
    ['an old spreadsheet', Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 1]), 'CSV UTF-8'],
    ['Parquet', Buffer.from('PAR1rest'), 'Parquet'],
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), 'xzcat'],
    ['gzip that is cut off', gzipSync('id,name\n1,a\n').subarray(0, 20), 'cut off'],
  ])('as %s, is refused with what helps', async (_, content, said) => {
    const { code, stderr } = await ingest({ x: content }, ['x']);
    expect([code, stderr.includes(said)]).toEqual([2, true]);
  });
});

describe('--check', () => {
  test('sends nothing, and groups the problems', async () => {
    const rows = ['1,a,1', '2,,2', '3,c,x1', '4,d,x2', '5,e,101'];
    const { code, stdout, uploads } = await ingest({ 'x.csv': `id,name,mass\n${rows.join('\n')}\n` }, [
      'x.csv',
      '--check',
      '--json',
    ]);
    expect([code, uploads]).toEqual([1, []]);
    const checked = JSON.parse(stdout);
    expect(checked).toMatchObject({ ok: false, records: 5, invalid: 4, refused: null });
    expect(checked.problems[0]).toEqual({
      records: 2,
      reason: 'x.csv line 4: column "mass": "x1" is not a number',
      examples: [
        { source_id: '3', line: 4 },
        { source_id: '4', line: 5 },
      ],
    });
    expect(checked.problems).toHaveLength(3);
  });

  test('says the place in each of several files', async () => {
    const files = {
      'a.csv': 'id,name,mass\n1,a,500\n',
      'b.csv': 'id,name,mass\n2,b,1\n3,c,700\n',
      'c.ndjson': '\n{"source_id":"4","metadata":{"name":5}}\n',
      'd.csv': 'id,name\n2,b\n',
    };
    const check = async (...names: string[]) =>
      JSON.parse((await ingest(files, [...names, '--check', '--json'])).stdout);
    const { problems } = await check('a.csv', 'b.csv', 'c.ndjson');
    expect(problems.map(({ reason }: { reason: string }) => reason)).toEqual([
      'a.csv line 2: mass: 500 is more than 100',
      'b.csv line 3: mass: 700 is more than 100',
      'name: 5 is not a text',
    ]);
    const places = problems.flatMap(({ examples }: { examples: { place: string }[] }) => examples);
    expect(places).toEqual([
      { source_id: '1', line: 2, place: 'a.csv line 2' },
      { source_id: '3', line: 5, place: 'b.csv line 3' },
      { source_id: '4', line: 7, place: 'c.ndjson line 2' },
    ]);
    expect((await ingest(files, ['a.csv', 'c.ndjson', '--check'])).stdout).toContain(
      '\n      c.ndjson line 2 (4)\n',
    );
    expect((await check('b.csv', 'd.csv')).refused).toContain('(b.csv line 2 and d.csv line 2)');
    // The second file is not begun yet when the first problem is found.
    Object.assign(files, {
      'long.csv': `id,name,mass\n0,a,500\n${'x,'.padEnd(60_000)},\n${'y,'.padEnd(60_000)},\n`,
    });
    expect((await check('long.csv', 'b.csv')).problems[0].examples[0].place).toBe('long.csv line 2');
  });

  test('exits with 0 when all is right, and tells what would be refused', async () => {
    const right = await ingest({ 'x.csv': 'id,name\n1,a\n' }, ['x.csv', '--check']);
    expect([right.code, right.stdout]).toEqual([0, 'all right: 1 record; nothing was sent\n']);
    const twice = await ingest({ 'x.csv': 'id,name\n1,a\n1,b\n' }, ['x.csv', '--check']);
    expect([twice.code, twice.stdout.includes('line 3: source_id "1" is already on line 2')]).toEqual([
      1,
      true,
    ]);
    expect((await ingest({ 'x.csv': 'id,name\n' }, ['x.csv', '--check'])).stdout).toContain(
      'holds no record',
    );
  });
});
