import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { zipFiles } from '@osa/cli/commands/data/export/zip';
import { Ajv } from 'ajv';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ZipFile } from 'yazl';
import { brokenRules } from '../receipts/crate-rules.ts';
import { everything } from '../support/daemon-support.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';
import { standardsDirectory } from '../support/vectors.ts';
import { type DataArchive, dataArchive } from './archive.ts';

/** `osa export`: one moment, checksums, descriptions, and the way back in. */

/** The published profile, where OSA_TEST_STANDARDS names it. */
const profile = join(standardsDirectory ?? '', 'datapackage', 'datapackage.json');
let archive: DataArchive;
beforeAll(async () => {
  archive = await dataArchive();
  await archive.ingest(
    Array.from(
      { length: 1_500 },
      (_, n) => [`s${n}`, { name: n === 3 ? '' : `Sample, ${n}`, mass: n / 3 }] as const,
    ),
  );
}, 60_000);
afterAll(() => archive.close());

const osa = async (args: readonly string[], options = {}) => {
  await using world = await createCliWorld();
  return world.osa(args, options);
};
const place = () => join(archive.daemon.directory, crypto.randomUUID());

test.each(['csv', 'parquet'])(
  'as %s has all files, verifies, and goes back in as unchanged',
  async (format) => {
    const directory = place();
    const made = await osa([
      'export',
      'samples',
      '--out',
      directory,
      '--format',
      format,
      '--json',
      '--server',
      archive.daemon.url,
    ]);
    expect([made.code, made.code === 0 ? '' : made.stderr]).toEqual([0, '']);
    const { as_of, tables } = JSON.parse(made.stdout);
    expect(tables.map((table: { name: string; rows: number }) => [table.name, table.rows])).toEqual([
      ['records', 1_500],
      ['probe', 1_500],
    ]);
    expect((await readdir(directory, { recursive: true })).sort()).toEqual([
      ...['checksums.sha256', 'data', `data/probe.${format}`, `data/records.${format}`],
      ...['datapackage.json', 'ro-crate-metadata.json'],
    ]);
    expect(await osa(['export', '--verify', directory])).toMatchObject({
      code: 0,
      stdout: 'all right: 4 files\n',
    });
    const described = JSON.parse(await readFile(join(directory, 'datapackage.json'), 'utf8'));
    expect(described).toMatchObject({
      name: 'samples',
      created: as_of,
      licenses: [{ name: 'CC-BY-4.0', path: 'https://spdx.org/licenses/CC-BY-4.0' }],
    });
    expect(
      described.resources[0].schema.fields.find(({ name }: { name: string }) => name === 'mass'),
    ).toEqual({
      name: 'mass',
      type: 'number',
      unit: 'g',
    });
    const crate = JSON.parse(await readFile(join(directory, 'ro-crate-metadata.json'), 'utf8'))['@graph'];
    expect(brokenRules({ '@graph': crate })).toEqual([]);
    const byType = (type: string) =>
      crate.filter((entity: Record<string, unknown>) => entity['@type'] === type);
    const [action] = byType('CreateAction');
    const [release] = byType('SoftwareApplication');
    const [root] = byType('Dataset');
    expect(root.license).toEqual({ '@id': 'https://spdx.org/licenses/CC-BY-4.0' });
    expect(byType('CreativeWork').map((entity: { name?: string }) => entity.name)).toContain('CC-BY-4.0');
    expect(byType('CreateAction')).toHaveLength(2);
    expect(action).toMatchObject({
      instrument: { '@id': release['@id'] },
      result: { '@id': `data/probe.${format}` },
    });
    expect(release).toMatchObject({
      url: 'git+https://example.org/repo@1',
      identifier: expect.stringMatching(/^sha256:/),
    });
    const environment = { OSA_TOKEN: (await archive.daemon.bearer(everything)).replace('Bearer ', '') };
    const records = join(directory, `data/records.${format}`);
    const sent = await osa(
      ['ingest', 'samples', records, '--again', '--json', '--server', archive.daemon.url],
      { environment },
    );
    expect(JSON.parse(sent.stdout)).toMatchObject({ records: 1_500, unchanged: 1_500 });
  },
);

test.skipIf(standardsDirectory === undefined || !existsSync(profile))(
  'the Data Package keeps its profile',
  async () => {
    const directory = place();
    await osa(['export', 'samples', '--out', directory, '--server', archive.daemon.url]);
    const described = JSON.parse(await readFile(join(directory, 'datapackage.json'), 'utf8'));
    const schema = JSON.parse(await readFile(profile, 'utf8'));
    const validate = new Ajv({ strict: false, validateFormats: false }).compile({
      ...schema,
      $schema: undefined,
    });
    expect([validate(described), validate.errors]).toEqual([true, null]);
  },
);

test.each([
  ['a directory', '', 'datapackage.json'],
  ['a zip file', '.zip', ''],
])('the target of a link takes %s, and the link stays', async (_, ending, made) => {
  const at = place();
  await mkdir(at);
  const [link, target] = [join(at, `link${ending}`), join(at, `target${ending}`)];
  if (ending === '') await mkdir(target);
  await symlink(`target${ending}`, link);
  const { code, stderr } = await osa(['export', 'samples', '--out', link, '--server', archive.daemon.url]);
  expect([code, stderr]).toEqual([0, expect.stringContaining('complete')]);
  expect([await readlink(link), existsSync(join(target, made))]).toEqual([`target${ending}`, true]);
  expect(await osa(['export', '--verify', link])).toMatchObject({ code: 0 });
});

test('a file is not replaced by a directory, and nothing is read', async () => {
  const file = place();
  await writeFile(file, 'mine');
  const { code, stderr } = await osa(['export', 'samples', '--out', file, '--server', archive.daemon.url]);
  expect([code, stderr]).toEqual([2, expect.stringContaining('is a file; name a directory')]);
  expect([existsSync(`${file}.part`), await readFile(file, 'utf8')]).toEqual([false, 'mine']);
});

describe('as one zip file', () => {
  const made = async (...args: string[]) => {
    const file = `${place()}.zip`;
    const all = ['export', 'samples', '--out', file, '--json', '--server', archive.daemon.url, ...args];
    return { file, ...(await osa(all)) };
  };
  /** Packs the files of a directory, each by its name. */
  const packed = async (directory: string, names: readonly string[]) => {
    const zip = new ZipFile();
    for (const name of names) zip.addFile(join(directory, name), name);
    zip.end();
    const file = `${place()}.zip`;
    await pipeline(zip.outputStream, createWriteStream(file));
    return file;
  };

  test.each(['csv', 'parquet'])('with %s has the files of the directory, and verifies', async (format) => {
    const { file, code, stdout } = await made('--format', format);
    const { tables, ...rest } = JSON.parse(stdout);
    expect([code, rest.file, tables.length]).toEqual([0, file, 2]);
    await using files = await zipFiles(file, new AbortController().signal);
    expect(await files.paths()).toEqual([
      ...['checksums.sha256', `data/probe.${format}`, `data/records.${format}`],
      ...['datapackage.json', 'ro-crate-metadata.json'],
    ]);
    expect(await files.digest(`data/records.${format}`)).toBe(tables[0].sha256);
    expect(existsSync(`${file}.part`)).toBe(false);
    expect(await osa(['export', '--verify', file])).toMatchObject({
      code: 0,
      stdout: 'all right: 4 files\n',
    });
    expect((await osa(['export', 'samples', '--out', file, '--server', archive.daemon.url])).code).toBe(2);
  });

  test('a change, a file that is missing and one too many are found', async () => {
    const directory = place();
    await osa(['export', 'samples', '--out', directory, '--server', archive.daemon.url]);
    await appendFile(join(directory, 'data/records.csv'), ' ');
    await writeFile(join(directory, 'note.txt'), 'x');
    const names = [
      'checksums.sha256',
      'data/records.csv',
      'ro-crate-metadata.json',
      'data/probe.csv',
      'note.txt',
    ];
    const { code, stdout } = await osa(['export', '--verify', await packed(directory, names), '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([
      1,
      { files: 4, missing: ['datapackage.json'], changed: ['data/records.csv'], unknown: ['note.txt'] },
    ]);
    expect((await osa(['export', '--verify', await packed(directory, ['note.txt'])])).code).toBe(2);
  });

  test('no byte of its tables can be another one', async () => {
    const { file } = await made();
    const bytes = await readFile(file);
    const start = bytes.indexOf('data/records.csv') + 200;
    for (const at of [start, start + 777, start + 2_000]) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8((changed.readUInt8(at) + 1) % 256, at);
      await writeFile(file, changed);
      const { code, stdout } = await osa(['export', '--verify', file, '--json']);
      expect([code, JSON.parse(stdout).changed]).toEqual([1, ['data/records.csv']]);
    }
    await writeFile(file, bytes.subarray(0, -100));
    expect(await osa(['export', '--verify', file])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot be read as a zip file'),
    });
  });

  test('goes on where its packing has failed, and has no name before its end', async () => {
    const file = `${place()}.zip`;
    // A directory is in the place of the packing's file, so it fails after all tables have come.
    await mkdir(`${file}.part.zip`, { recursive: true });
    const args = ['export', 'samples', '--out', file, '--server', archive.daemon.url];
    expect((await osa(args)).code).toBe(2);
    expect([existsSync(file), existsSync(join(`${file}.part`, 'data/records.csv'))]).toEqual([false, true]);
    await rm(`${file}.part.zip`, { recursive: true });
    const again = await osa(args);
    // The tables are not read again.
    expect([again.code, again.stderr.includes('rows, complete')]).toEqual([0, false]);
    expect(await osa(['export', '--verify', file])).toMatchObject({ code: 0 });
    await using files = await zipFiles(file, new AbortController().signal);
    expect((await files.text('data/records.csv')).trimEnd().split('\n')).toHaveLength(1_501);
  });
});

test('a change of any file is found', async () => {
  const directory = place();
  await osa(['export', 'samples', '--out', directory, '--server', archive.daemon.url]);
  await appendFile(join(directory, 'data/records.csv'), ' ');
  await rm(join(directory, 'datapackage.json'));
  await writeFile(join(directory, 'note.txt'), 'x');
  const { code, stdout } = await osa(['export', '--verify', directory, '--json']);
  expect([code, JSON.parse(stdout)]).toEqual([
    1,
    { files: 4, missing: ['datapackage.json'], changed: ['data/records.csv'], unknown: ['note.txt'] },
  ]);
  expect((await osa(['export', '--verify', place()])).code).toBe(2);
});

test('a link, and a line that is not a checksum, are found', async () => {
  const directory = place();
  await osa(['export', 'samples', '--out', directory, '--server', archive.daemon.url]);
  const records = join(directory, 'data/records.csv');
  await rename(records, `${directory}.csv`);
  await symlink(`${directory}.csv`, records);
  await symlink('records.csv', join(directory, 'data/more.csv'));
  await appendFile(join(directory, 'checksums.sha256'), 'data/more.csv is fine\n');
  const { code, stdout } = await osa(['export', '--verify', directory, '--json']);
  expect([code, JSON.parse(stdout)]).toEqual([
    1,
    { files: 4, missing: [], changed: ['checksums.sha256', 'data/records.csv'], unknown: ['data/more.csv'] },
  ]);
});

test('goes on where it was interrupted, as of the same moment', async () => {
  const directory = place();
  const state = { fails: true, records: 0 };
  const way = createServer(async (incoming, outgoing) => {
    const url = incoming.url ?? '';
    if (url.includes('/records?')) state.records += 1;
    if (state.fails && url.includes('/probe?')) {
      outgoing.writeHead(422, { 'content-type': 'application/problem+json' });
      const body = { type: 'x', title: 'x', status: 422, detail: 'x', code: 'invalid', message: 'stop' };
      outgoing.end(JSON.stringify(body));
      return;
    }
    const { statusCode, headers, body } = await request(`${archive.daemon.url}${url}`);
    outgoing
      .writeHead(statusCode, { 'content-type': String(headers['content-type']) })
      .end(await body.text());
  }).listen(0, '127.0.0.1');
  await once(way, 'listening');
  const server = ['--server', `http://127.0.0.1:${(way.address() as AddressInfo).port}`];
  expect((await osa(['export', 'samples', '--out', directory, ...server])).code).toBe(1);
  expect(existsSync(directory)).toBe(false);
  await archive.ingest([['later', { name: 'Later' }]]);
  Object.assign(state, { fails: false, records: 0 });
  const { stdout } = await osa(['export', 'samples', '--out', directory, '--json', ...server]);
  way.closeAllConnections();
  way.close();
  expect(state.records).toBe(0);
  expect(JSON.parse(stdout).tables.map(({ rows }: { rows: number }) => rows)).toEqual([1_500, 1_500]);
  expect((await osa(['export', '--verify', directory])).code).toBe(0);
});

test('a directory that is not empty is refused', async () => {
  const directory = place();
  await mkdir(directory);
  await writeFile(join(directory, 'mine.txt'), 'x');
  const { code, stderr } = await osa([
    'export',
    'samples',
    '--out',
    directory,
    '--server',
    archive.daemon.url,
  ]);
  expect([code, stderr]).toEqual([2, expect.stringContaining('not empty')]);
});
