import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parseManifest } from '@osa/core/convention/manifest/read';
import { expect, test } from 'vitest';
import { createCliWorld } from '../support/fixtures/cli-world.ts';

/** `osa init --from`: the dataset that is made of a file. */

async function init(name: string, content: string | Buffer, ...args: string[]) {
  await using world = await createCliWorld();
  await writeFile(join(world.cwd, name), content);
  const { code, stdout, stderr } = await world.osa(['init', '--from', name, '--json', ...args]);
  const yaml = await readFile(join(world.cwd, 'convention.yaml'), 'utf8').catch(() => '');
  const manifest =
    code === 0 ? parseManifest(yaml, { file: 'convention.yaml', images: new Map() }) : undefined;
  const fields = manifest?.schema.fields.map(
    (field) => `${field.name} ${field.type}${field.required ? '!' : ''}`,
  );
  const { stdout: output } = await world.osa(['init', 'again', '--from', name, ...args]);
  return { code, stderr, yaml, manifest, fields, output, answer: JSON.parse(stdout) };
}

test('JSON of which each record has members of other names is refused where they are too many', async () => {
  const lines = Array.from({ length: 2_000 }, (_, n) => JSON.stringify({ id: n, [`at ${n}`]: 1 }));
  const { code, answer } = await init('x.ndjson', lines.join('\n'));
  expect([code, answer.error.message]).toEqual([
    2,
    expect.stringMatching(/x\.ndjson line 1000: .*more than 1000 members .* at most 500 fields/),
  ]);
});

test('Parquet is refused with the way to go on', async () => {
  const { code, answer } = await init('x.parquet', 'PAR1rest');
  expect([code, answer.error.message]).toEqual([
    2,
    expect.stringMatching(/is Parquet.*save some of its rows as CSV/),
  ]);
});

test('a table gives fields with types, which are required where each record has them', async () => {
  const { fields, answer, yaml, manifest } = await init(
    'my cars.csv',
    'Name,Miles per Gallon,HP,Year,Electric,Link,Code\n' +
      'a b,18,130,1970-01-01,false,https://example.org/1,007\n' +
      'c,,NA,1971-01-01T00:00:00Z,TRUE,,008\n' +
      'd,1e3,150,1972-01-01,no,,009\n',
  );
  expect(fields).toEqual([
    'name text!',
    'miles_per_gallon number',
    'hp text!',
    'year date!',
    'electric boolean!',
    'link url',
    'code text!',
  ]);
  expect(yaml).toContain('# most are numbers, but not "NA"');
  expect(manifest?.slug).toBe('my-cars');
  expect(answer.ingest).toBe("osa ingest my-cars 'my cars.csv' --id Code");
});

test('rows that lack cells are named, and the command takes them', async () => {
  const { answer, output } = await init('x.csv', 'id,n,note,\n1,2\n2,3,a\n');
  expect(answer.ingest).toBe("osa ingest x-data x.csv --ignore '' --fill");
  expect(output).toContain('1 row of the file lacks cells at its end: --fill takes them as empty');
});

test.each([
  ['its id column', 'ID,x\n1,2\n2,2\n', ''],
  ['a column of ids', 'x,Sample Key\n1,a\n1,b\n', " --id 'Sample Key'"],
  ['texts that are all different', 'x,name\n1,a\n1,b\n', ' --id name'],
  ['numbers, where nothing is different', 'x,name\n1,a\n2,a\n', " --id '#'"],
  ['numbers, where the id is there twice', 'id,name\n1,a\n1,a\n', " --id '#' --map id_2=id"],
  ['the id of two that is there once', 'id,source_id,n\n1,a,7\n1,b,7\n', ' --map id_2=id'],
  ['columns without a title once', 'id,a,,b,\n1,x,y,2,\n', " --ignore ''"],
  ['a title that would be an option', '-k,n\na,1\nb,1\n', ' --id=-k'],
  ['what a program wrote before the columns', ',id,v\n0,a,7\n1,b,7\n', " --ignore ''"],
  ['titles that are one field', 'id,A b,a-b\n1,2,3\n', ' --map a_b_2=a-b'],
  ['a title that no field may have', 'id,Version\n1,2\n', ' --map version_2=Version'],
])('the command to go on with names %s', async (_, content, options) => {
  const { code, answer } = await init('xyz.csv', content);
  expect([code, answer.ingest]).toEqual([0, `osa ingest xyz xyz.csv${options}`]);
});

test.each([
  ['x.json', JSON.stringify([{ source_id: 'a', metadata: { mass: 1.5, day: '2026-01-31' } }], null, 2), ''],
  ['x.ndjson', '{"key": "a", "mass": 1.5, "day": "2026-01-31"}\n', ' --id key'],
  ['x.csv.gz', gzipSync('id;mass;day\na;1.5;2026-01-31\n'), ''],
])('%s is looked at as osa ingest reads it', async (name, content, options) => {
  const { fields, answer } = await init(name, content);
  expect(fields?.slice(-2)).toEqual(['mass number!', 'day date!']);
  expect(answer.ingest).toMatch(new RegExp(`${name}${options}$`));
});

test('a first line that names the separator is no header', async () => {
  const { fields, answer, manifest } = await init('x.csv', 'sep=~\nid~a,b\n1~2\n');
  expect([fields, answer.ingest]).toEqual([['a_b number!'], 'osa ingest x-data x.csv']);
  expect(manifest?.schema.fields[0]?.description).toBe('a,b');
});

test.each([
  ['without a record', 'a,b\n', 'holds no record'],
  ['that is empty', '', 'holds no record'],
  ['with ids only', 'id\n1\n', '0 columns beside its ids'],
])('a file %s makes no dataset', async (_, content, said) => {
  const { code, answer, yaml } = await init('x.csv', content);
  expect([code, answer.error.code, yaml]).toEqual([2, 'usage', '']);
  expect(answer.error.message).toContain(said);
});

const features = (count: number) =>
  Array.from({ length: count }, (_, id) => ({
    type: 'Feature',
    id,
    properties: { mass: id },
    geometry: null,
  }));

test.each<[string, unknown, string]>([
  ['of GeoJSON', { type: 'FeatureCollection', features: features(2) }, '.features[] | {source_id'],
  ['of large GeoJSON', { type: 'FeatureCollection', name: 'x', features: features(40_000) }, '.features[] |'],
  ['that is one object around a list', { count: 2, data: [{ a: 1 }, { a: 2 }] }, "jq -c '.data[]' FILE"],
  ['that is one object larger than a record', { a: { b: 'x'.repeat(1_100_000) } }, "jq -c '.MEMBER[]' FILE"],
])('a file %s makes no dataset, and the reason says what to do', async (_, content, said) => {
  for (const text of [JSON.stringify(content), JSON.stringify(content, null, 1)]) {
    const { code, answer, yaml } = await init('x.json', text);
    expect([code, yaml, answer.error?.message]).toEqual([2, '', expect.stringContaining(said)]);
  }
});

test.each([
  ['with a title twice', 'id,value,value\n1,2,3\n', 'the column "value" is there twice'],
  ['with lines above its header', '# Station\nid,a\n1,2\n2,3\n', 'delete what is above the header'],
])('a file %s makes no dataset, and the reason says what to do', async (_, content, said) => {
  const { code, answer, yaml } = await init('x.csv', content);
  expect([code, yaml]).toEqual([2, '']);
  expect(answer.error.message).toContain(said);
});

test('a trailing separator in each row is no column', async () => {
  const { fields } = await init('x.csv', 'id,a\n1,2,\n2,3,\n');
  expect(fields).toEqual(['a number!']);
});

test.each([
  [
    'the encoding',
    Buffer.from('id,ville\n1,Nîmes\n', 'latin1'),
    ['--encoding', 'latin1'],
    ' --encoding windows-1252',
  ],
  ['the separator', 'id b|c\n1 2|3\n', ['--separator', ' '], " --separator ' '"],
  ['the format', 'id\tb\n1\t2\n', ['--format', 'tsv'], ' --format tsv'],
])(
  '%s that was needed to read the file is in the command to go on with',
  async (_, content, args, options) => {
    const { answer } = await init('xyz.txt', content, ...args);
    expect(answer.ingest).toBe(`osa ingest xyz xyz.txt${options}`);
  },
);

test('columns of published records are left out, and so said', async () => {
  const { fields, answer, stderr } = await init(
    'x.csv',
    'id,srn,version,source_id,mass\n1,urn:osa:a:rec:b@1,1,a,2.5\n',
  );
  expect([fields, stderr]).toEqual([['mass number!'], '']);
  expect(answer.ingest).toBe('osa ingest x-data x.csv');
});

test.each([
  ['kw.csv', 'kw-data'],
  ['2024.csv', 'data-2024'],
  ['w.tsv', 'w-data'],
])('%s makes a dataset of its own name', async (name, slug) => {
  const separator = name.endsWith('.tsv') ? '\t' : ',';
  const { manifest } = await init(name, `id${separator}mass\na${separator}1\n`);
  expect(manifest).toMatchObject({ slug, schema: { id: slug } });
});

test.each([
  ['the_quick_brown_fox_jumps_over_lazy.csv', /^the_quick_brown_fox_[0-9a-f]{6}_completeness$/],
  [`${'long-'.repeat(40)}.csv`, /^long_long_long_long_[0-9a-f]{6}_completeness$/],
  [`${'a'.repeat(27)}.csv`, /^a{27}_completeness$/],
  ['pg-tables.csv', /^x_pg_tables_completeness$/],
  ['records.csv', /^records_completeness$/],
])('%s makes a dataset that can be deployed', async (name, hook) => {
  const title = 'b'.repeat(70);
  const { code, manifest, fields } = await init(name, `id,${title},${title}c\n1,2,3\n`);
  expect(code).toBe(0);
  expect(manifest?.hooks[0]?.name).toMatch(hook);
  expect(fields).toEqual([`${'b'.repeat(63)} number!`, `${'b'.repeat(61)}_2 number!`]);
});

test('names that begin alike make hooks of different names', async () => {
  const start = 'measurements_of_the_north_station';
  const made = await Promise.all([
    init(`${start}_1.csv`, 'id,a\n1,2\n'),
    init(`${start}_2.csv`, 'id,a\n1,2\n'),
  ]);
  expect(new Set(made.map(({ manifest }) => manifest?.hooks[0]?.name)).size).toBe(2);
});

test.each([
  ['without a digit before the point', ['.164', '-.2', '0.3'], '.164'],
  ['without a digit after the point', ['5.', '1.e3', '7.5'], '5.'],
  ['with a leading +', ['+4', '5', '+6.5'], '+4'],
  ['with leading zeros', ['5', '00012', '012'], '00012'],
])('a column of numbers %s is a text, and the hint names one', async (how, values, example) => {
  const rows = values.map((value, index) => `${'abc'[index]},${value}`);
  const { fields, yaml, manifest, output } = await init('x.csv', `id,mass\n${rows.join('\n')}\n`);
  expect([fields, manifest?.slug]).toEqual([['mass text!'], 'x-data']);
  const hint = `most are numbers, some ${how}, such as "${example}"`;
  expect(yaml).toContain(`# ${hint}\n`);
  expect(output).toContain(
    `Look at these first, in convention.yaml and in the file:\n  mass is text: ${hint}\n`,
  );
});

test('codes of one length are a text without a hint', async () => {
  const { yaml } = await init('x.csv', 'id,zip\na,01234\nb,02345\nc,12345\n');
  expect(yaml).toContain('description: "zip" }\n');
});

test('text that looks like numbers or dates says so, and a unit in a title is proposed', async () => {
  const { fields, yaml, answer } = await init(
    'bores.csv',
    'Bore,depth (m),Ash,Taken,Day,At,Zip\n' +
      'a,1,4,01.02.2024,2024-02-01,2024-02-01 10:00:00,01234\n' +
      'b,2,"1.000,5",31.12.2024,2024-12-31,2024-02-01 10:00,02345\n' +
      'c,3,"3,5",1.1.2025,unknown,2024-02-01T10:00,12345\n',
  );
  const texts = ['ash', 'taken', 'day', 'at', 'zip'].map((name) => `${name} text!`);
  expect(fields).toEqual(['bore text!', 'depth_m number!', ...texts]);
  expect(yaml).toMatch(/name: zip.*description: "Zip" \}\n/);
  for (const said of [
    '# unit: m?',
    '# most are numbers with a decimal comma, such as "1.000,5"',
    '# most are times, but not written YYYY-MM-DDTHH:MM:SSZ, such as "2024-02-01 10:00:00"',
    '# most are dates, but not written YYYY-MM-DD, such as "01.02.2024"',
    '# most are dates, but not "unknown"',
  ])
    expect(yaml).toContain(said);
  expect(answer.created).toContain('convention.yaml');
});

test('JSON says itself what its values are', async () => {
  const records = [
    { id: 7, year: '1565', title: 'a', tags: ['x'], scale: { a: 1 }, day: '2026-01-31', ok: true },
    { id: 8, year: '', title: 1776, tags: [], scale: { a: 2 }, day: '2026-02-01', ok: false },
  ];
  const { fields, answer, yaml, output } = await init('x.json', JSON.stringify(records));
  expect(fields).toEqual(['year text!', 'title text!', 'tags text!', 'day date!', 'ok boolean!']);
  expect(yaml).toContain('name: tags, type: text, required: true, cardinality: zero_or_more');
  expect(answer.ingest).toBe('osa ingest x-data x.json --id id --ignore scale');
  expect(output).toContain('title is text: some are no texts, such as 1776, and make their records invalid');
  expect(output).toContain('"scale" is left out, since it has objects or lists of lists');
});

test('objects in the metadata of records are refused, since nothing leaves them out', async () => {
  const { code, answer } = await init('x.ndjson', '{"source_id":"a","metadata":{"scale":{"a":1}}}\n');
  expect([code, answer.error.message]).toEqual([2, expect.stringContaining('"scale" has objects')]);
});

test('names that are words of YAML are texts', async () => {
  const { fields, manifest } = await init('true.csv', 'id,null,True,false,no\n1,2,3,4,5\n');
  expect([manifest?.slug, manifest?.schema.id]).toEqual(['true', 'true']);
  expect(fields).toEqual(['null number!', 'true number!', 'false number!', 'no number!']);
});
