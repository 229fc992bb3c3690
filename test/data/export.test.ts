import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
    expect(described).toMatchObject({ name: 'samples', created: as_of });
    expect(
      described.resources[0].schema.fields.find(({ name }: { name: string }) => name === 'mass'),
    ).toEqual({
      name: 'mass',
      type: 'number',
      unit: 'g',
    });
    const crate = JSON.parse(await readFile(join(directory, 'ro-crate-metadata.json'), 'utf8'))['@graph'];
    const byType = (type: string) =>
      crate.filter((entity: Record<string, unknown>) => entity['@type'] === type);
    const [action] = byType('CreateAction');
    const [release] = byType('SoftwareApplication');
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
