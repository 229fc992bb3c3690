import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { checkRecords } from '@osa/cli/commands/ingestions/check';
import { attachFiles } from '@osa/cli/commands/ingestions/files/attach';
import { chooseColumns } from '@osa/cli/input/columns';
import type { RecordsInput } from '@osa/cli/input/input';
import { expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { showConvention } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../support/fixtures/cli-world.ts';
import { writeProject } from '../support/project.ts';

/** Input that is large or wide where nobody expects it: it is refused or passed on, and never kept. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const textField = (name: string) => ({
  ...{ name, type: 'text' as const, cardinality: 'exactly_one' as const },
  required: false,
});
const choices = { id: 'id', map: [], ignore: [], fill: false };

test('a header of very many columns is refused soon', () => {
  const fields = Array.from({ length: 500 }, (_, index) => textField(`a_long_name_of_a_field_${index}`));
  const titles = [
    'id',
    ...Array.from({ length: 200_000 }, (_, index) => `another_name_of_a_column_${index}`),
  ];
  expect(() => chooseColumns('x.csv', titles, { fields, choices })).toThrow(
    /another_name_of_a_column_19"[\s\S]*\n199980 more of the columns and fields do not fit$/,
  );
});

test('a column without a title is no field, whatever the name of the field', () => {
  const fields = [textField('x')];
  expect(() => chooseColumns('x.csv', ['id', ''], { fields, choices })).toThrow('a column without a title');
});

test('init refuses a table of more columns than a schema has fields', async () => {
  await using world = await createCliWorld();
  const titles = Array.from({ length: 1_001 }, (_, index) => `c${index}`).join(',');
  const cells = '1'.concat(',1'.repeat(1_000));
  await writeFile(join(world.cwd, 'wide.csv'), `${titles}\n${cells}\n`);
  await writeFile(join(world.cwd, 'commas.csv'), `id${','.repeat(20_000)}\na${','.repeat(20_000)}\n`);
  await writeFile(join(world.cwd, 'sheet.csv'), `id,x${','.repeat(16_382)}\na,1${','.repeat(16_382)}\n`);
  const init = (name: string) => world.osa(['init', name.split('.')[0] ?? '', '--from', name]);
  expect(await init('wide.csv')).toMatchObject({ code: 2, stderr: expect.stringContaining('1,001 cells') });
  expect(await init('commas.csv')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('20,001 cells'),
  });
  expect((await init('sheet.csv')).code).toBe(0);
});

test.each([
  [['trace', '-'], 'standard input has a line of more than 1048576 characters'],
  [['verify', '-', '--key', 'keys.json'], 'standard input is longer than 16777216 bytes'],
  [['verify', 'endless', '--key', 'keys.json'], 'endless is longer than 16777216 bytes'],
  [['deposit', 'x', '--metadata', '-'], 'standard input is longer than 1048576 bytes'],
])('osa %j refuses a text without an end', async (argv, message) => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(({ path }) =>
    path.includes('/conventions/') ? { body: showConvention } : problem(404, 'not_found', path),
  );
  const stdin = 'x'.repeat(17 * 2 ** 20);
  await writeFile(join(world.cwd, 'endless'), stdin);
  await writeFile(join(world.cwd, 'keys.json'), '{}');
  const environment = { OSA_KEY: key, OSA_SERVER: server.url };
  const { code, stderr } = await world.osa(argv, { stdin, environment });
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test('with files, a line that is too long for a record is passed on in pieces', async () => {
  const long = Buffer.from(`{"source_id":"b","metadata":{"name":"${'x'.repeat(5 * 2 ** 20)}"}}\n`);
  const content = Buffer.concat([
    Buffer.from('{"source_id":"a"}\n'),
    long,
    Buffer.from('\n{"source_id":"c"}\n'),
  ]);
  async function* pieces() {
    for (let at = 0; at < content.length; at += 60_000) yield content.subarray(at, at + 60_000);
  }
  const source = { open: () => Readable.from(pieces(), { objectMode: false }) } as unknown as RecordsInput;
  const local = { ofRecord: async () => [], named: async () => [], unused: async () => [] };
  const { source: named } = await attachFiles(source, local, {
    rules: { accepted_types: [], min_count: 0, max_count: 1, max_file_size: 1 },
    ...{ eachHasDirectory: true, stop: new AbortController().signal, onRead: () => undefined },
  });
  const sent: Buffer[] = [];
  for await (const piece of named.open()) sent.push(piece as Buffer);
  expect(Buffer.concat(sent).equals(content)).toBe(true);
  expect(Math.max(...sent.map(({ length }) => length))).toBeLessThan(2 * 2 ** 20);
});

test('a trial refuses records that are too large together', async () => {
  await using world = await createCliWorld();
  await writeProject(world.cwd, { code: hookCode('return { features: [] }') });
  const record = (id: number) =>
    JSON.stringify({ source_id: `r${id}`, metadata: { value: 1, name: 'x'.repeat(1_000_000) } });
  await writeFile(
    join(world.cwd, 'x.ndjson'),
    Array.from({ length: 80 }, (_, id) => `${record(id)}\n`).join(''),
  );
  const argv = ['hooks', 'test', 'doubled', '--records', 'x.ndjson'];
  const { code, stderr } = await world.osa(argv, { environment: { PATH: process.env.PATH } });
  expect([code, stderr]).toEqual([
    2,
    expect.stringContaining('more than 67108864 bytes in its first 68 records'),
  ]);
});

test('a check says how far it is within one huge record', async () => {
  const told: number[] = [];
  let bytes = 0;
  async function* open() {
    for (let piece = 0; piece < 100; piece++) {
      bytes += 64 * 1024;
      yield Buffer.alloc(64 * 1024, 'x');
    }
  }
  const input = { open, read: () => ({ bytes, total: 100 * 64 * 1024 }), placeOf: () => undefined };
  await checkRecords(
    input as unknown as RecordsInput,
    {
      convention: 'x',
      schema: { id: 'x', version: '1.0.0' },
      ...{
        fields: [],
        openText: false,
        files: { accepted_types: [], min_count: 0, max_count: 0, max_file_size: 0 },
      },
    } as never,
    { progress: { reading: (read) => told.push(read) }, stop: new AbortController().signal },
  );
  expect(told.length).toBeGreaterThan(50);
});
