import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployRequest, everything } from '../support/daemon-support.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';
import { type DataArchive, dataArchive, ended, sampleFields } from './archive.ts';

/** Exports go back in as unchanged, whatever the values are. */

let archive: DataArchive;
beforeAll(async () => {
  archive = await dataArchive();
  const schema = { id: 'odd-sample', version: '1.0.0', fields: sampleFields };
  await archive.daemon.call('deploy', { json: { ...deployRequest(), slug: 'odd', schema } });
}, 60_000);
afterAll(() => archive.close());

const oddTexts = [
  '',
  ' ',
  ' a ',
  '"',
  ',',
  '\r\n',
  '\n',
  "''",
  '[1]',
  '{}',
  'null',
  'NULL',
  '1e3',
  'True',
  '\u2028',
  '\ufeffmarked',
  '💡',
  '=1+1',
  '\\',
  'a;b',
  '\t',
];
const text = fc.oneof(
  fc.constantFrom(...oddTexts),
  fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed() && !s.includes('\0')),
);
const oddNumbers = [
  '0',
  '1e-7',
  '-1.5',
  '12345678901234567890',
  '0.1234567890123456789',
  '1e308',
  '5e-324',
  '123456789012345680000',
  '-9007199254740993',
];
const number = fc.oneof(
  fc.constantFrom(...oddNumbers),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
  fc.maxSafeInteger().map(String),
);
const optional = (values: fc.Arbitrary<string>) => fc.option(values, { nil: undefined, freq: 3 });
const quoted = (values: fc.Arbitrary<string>) => values.map((value) => JSON.stringify(value));
const list = (values: fc.Arbitrary<string>) =>
  fc.array(values, { maxLength: 3 }).map((items) => `[${items.join(',')}]`);
const dates = [
  '2026-01-01',
  '0001-01-02',
  '9999-12-30',
  '2026-01-01T00:00:00Z',
  '2026-02-03t04:05:06.789123456+05:30',
];
const members = fc.record({
  name: quoted(text),
  mass: optional(fc.oneof(number, fc.constant('null'))),
  grains: optional(fc.constantFrom('0', '-3', '12345678901234567890', '9223372036854775807')),
  cast_on: optional(quoted(fc.constantFrom(...dates))),
  is_alloy: optional(fc.constantFrom('true', 'false')),
  page: optional(quoted(fc.constantFrom('https://example.org/a?b=c,d', 'ftp://example.org/%20'))),
  tags: optional(list(quoted(text))),
  readings: optional(list(number)),
});

const records = fc.sample(members, { numRuns: 400, seed: Number(process.env.OSA_TEST_SEED ?? 17) });
const ids = [
  'a"b',
  'a,b',
  ' a',
  'a ',
  '007',
  '1e3',
  'ü',
  '[x]',
  ...records.map((_, index) => `s${index}`),
].slice(0, records.length);

test.each(['csv', 'ndjson', 'parquet'])('as %s', async (format) => {
  await using world = await createCliWorld();
  const lines = records.map((record, index) => {
    const given = Object.entries(record).flatMap(([name, json]) =>
      json === undefined ? [] : [`${JSON.stringify(name)}:${json}`],
    );
    return `{"source_id":${JSON.stringify(ids[index])},"metadata":{${given.join(',')}}}\n`;
  });
  const { id: first } = await archive.daemon.call('ingest', {
    params: { slug: 'odd' },
    query: { repeat: 'store' },
    body: lines.join(''),
  });
  const before = await ended(archive.daemon, first);
  expect(before.invalid + before.errored + before.rejected).toBe(0);
  const path = join(archive.daemon.directory, `records.${format}`);
  const server = ['--server', archive.daemon.url];
  expect(await world.osa(['records', 'odd', '--out', path, ...server])).toMatchObject({ code: 0 });
  const environment = { OSA_TOKEN: (await archive.daemon.bearer(everything)).replace('Bearer ', '') };
  const sent = await world.osa(['ingest', 'odd', path, '--again', '--json', ...server], { environment });
  expect(JSON.parse(sent.stdout)).toMatchObject({ records: records.length, unchanged: records.length });
});
