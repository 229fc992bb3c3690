import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCliWorld } from '../support/fixtures/cli-world.ts';
import { type DataArchive, dataArchive } from './archive.ts';

/** `osa rows` and `osa records` against a daemon. */

const big = '12345678901234567890';
let archive: DataArchive;
beforeAll(async () => {
  archive = await dataArchive();
  await archive.ingest([
    ['a', { name: 'Iron', mass: 1.5, cast_on: '2026-01-01', is_alloy: false }],
    ['b', `{"name":"Bronze","mass":${big},"is_alloy":true}`],
    ...Array.from({ length: 2_500 }, (_, n) => [`n${n}`, { name: `Sample ${n}`, mass: n + 0.5 }] as const),
  ]);
}, 60_000);
afterAll(() => archive.close());

const osa = async (args: readonly string[], server = archive.daemon.url) => {
  await using world = await createCliWorld();
  return world.osa([...args, '--server', server]);
};
const file = (name: string) => join(archive.daemon.directory, `${crypto.randomUUID()}-${name}`);

describe('filters and columns', () => {
  test('of records, to people and to programs', async () => {
    const where = ['--where', 'is_alloy = true or name contains "iron"', '--sort', 'mass:desc'];
    const csv = await osa(['records', 'samples', ...where, '--columns', 'source_id,mass', '--format', 'csv']);
    expect([csv.code, csv.stdout]).toEqual([0, `source_id,mass\r\nb,${big}\r\na,1.5\r\n`]);
    const lines = await osa(['records', 'samples', ...where, '--columns', 'source_id', '--format', 'ndjson']);
    expect(lines.stdout).toBe('{"source_id":"b"}\n{"source_id":"a"}\n');
    const table = await osa(['records', 'samples', ...where, '--columns', 'name,mass']);
    expect(table.stdout).toMatch(/^name +mass \[g\]\nBronze +12345678901234567890\nIron +1\.5\n$/);
    const { rows } = JSON.parse((await osa(['records', 'samples', ...where, '--json'])).stdout);
    expect(rows.map((row: { source_id: string }) => row.source_id)).toEqual(['b', 'a']);
  });

  test.each([['--json'], ['--format', 'json']])('as pages of JSON by %s', async (...json) => {
    const argv = ['--sort', 'mass:desc', '--limit', '1', ...json];
    const whole = JSON.parse((await osa(['records', 'samples', ...argv])).stdout);
    expect(whole).toMatchObject({ rows: [{ source_id: 'b', name: 'Bronze' }], has_more: true });
    const chosen = await osa(['records', 'samples', ...argv, '--columns', 'name,source_id']);
    expect(JSON.parse(chosen.stdout)).toMatchObject({ has_more: true, as_of: expect.any(String) });
    expect(chosen.stdout).toMatch(/"rows": \[\s*\{\s*"name": "Bronze",\s*"source_id": "b"\s*\}\s*\]/);
    const rows = await osa(['rows', 'probe', '--limit', '1', '--columns', 'label', ...json]);
    expect(JSON.parse(rows.stdout).rows).toEqual([{ label: expect.any(String) }]);
  });

  test.each(['2099-01-01', '2099-01-01 10:00', '2099-01-01 10:00:00'])(
    'as of %s, the command for the next page works',
    async (time) => {
      const argv = ['records', 'samples', '--limit', '1', '--columns', 'source_id', '--as-of', time];
      const { stderr } = await osa(argv);
      const [, asOf = '', cursor = ''] = /--as-of (\S+) .*--cursor (\S+)/.exec(stderr) ?? [];
      const next = await osa([...argv.slice(0, -1), asOf, '--cursor', cursor]);
      expect([next.code, next.stderr]).toEqual([0, expect.stringContaining('more: ')]);
    },
  );

  test('of rows', async () => {
    const argv = ['rows', 'probe', '--where', 'score < 2 and flag is not null', '--columns', 'label,score'];
    expect((await osa([...argv, '--format', 'csv'])).stdout).toBe('label,score\r\nIron,1.5\r\n');
  });

  test('a history says which rows are current, without a word about columns, too', async () => {
    const argv = ['rows', 'probe', '--limit', '1'];
    expect((await osa([...argv, '--history'])).stdout).toMatch(
      /^row +release +_current .*\nprobe\/\d+ +v1 +true /,
    );
    expect((await osa(argv)).stdout).not.toContain('_current');
  });

  test('what does not fit is said', async () => {
    for (const [args, said] of [
      [['--where', 'mass >'], /expected a number[\s\S]*mass >\n.* \^/],
      [['--where', 'mas > 1'], /did you mean metadata\.mass\?/],
      [['--where', 'is_alloy > true'], /eq, neq, in, is_null do/],
      [['--columns', 'mas'], /did you mean mass\?/],
      [['--sort', 'tags'], /cannot be sorted by/],
      [['--format', 'xlsx'], /table, json, ndjson, csv, parquet/],
      [['--format', 'csv', '--json'], /give one of them/],
      [['--out', 'x.xlsx'], /\.csv, \.ndjson, \.parquet or \.arrow/],
      [['--format', 'parquet'], /name a file/],
    ] as const) {
      const { code, stdout, stderr } = await osa(['records', 'samples', ...args]);
      expect(code).toBeGreaterThan(0);
      expect(stdout + stderr).toMatch(said);
    }
  });
});

describe('files', () => {
  test.each(['csv', 'ndjson'])('%s have the rows that the API sends', async (format) => {
    const path = file(`x.${format}`);
    const { code, stdout } = await osa(['rows', 'probe', '--out', path]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('2,502 rows')]);
    const { body } = await request(`${archive.daemon.url}/api/v1/data/sample/probe.${format}`);
    expect(await readFile(path, 'utf8')).toBe(await body.text());
    await expect(stat(`${path}.part`)).rejects.toThrow('ENOENT');
  });

  test('a condition may be longer than an address', async () => {
    const ids = Array.from({ length: 900 }, (_, index) => `"no-such-source-${index}"`).join(', ');
    const columns = ['--columns', 'source_id', '--format', 'csv'];
    const found = await osa(['records', 'samples', '--where', `source_id in (${ids}, "a")`, ...columns]);
    expect([found.code, found.stdout.split('\r\n')]).toEqual([0, ['source_id', 'a', '']]);
    const where = `record_source_id in (${ids}, "a")`;
    const rows = await osa([
      'rows',
      'probe',
      '--where',
      where,
      '--columns',
      'record_source_id',
      '--format',
      'csv',
    ]);
    expect([rows.code, rows.stdout.split('\r\n')]).toEqual([0, ['record_source_id', 'a', '']]);
  });

  test('Parquet is read by DuckDB', async () => {
    const path = file('x.parquet');
    expect((await osa(['records', 'samples', '--out', path])).code).toBe(0);
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const found = await connection.runAndReadAll(`select count(*), max(mass) from '${path}'`);
    expect(found.getRowsJson()).toEqual([['2502', Number(big)]]);
    connection.closeSync();
  });

  test('go on where they were interrupted, when the same command is repeated', async () => {
    const path = file('x.ndjson');
    // A way to the daemon that fails for good after two pages.
    let pages = 0;
    const way = createServer(async (incoming, outgoing) => {
      const isPage = incoming.url?.includes('/probe?');
      if (isPage) pages += 1;
      if (isPage && pages > 2 && pages < 4) {
        outgoing.writeHead(422, { 'content-type': 'application/problem+json' });
        outgoing.end(
          JSON.stringify({
            type: 'x',
            title: 'x',
            status: 422,
            detail: 'stop',
            code: 'invalid',
            message: 'stop',
          }),
        );
        return;
      }
      const { statusCode, headers, body } = await request(`${archive.daemon.url}${incoming.url}`);
      outgoing
        .writeHead(statusCode, { 'content-type': String(headers['content-type']) })
        .end(await body.text());
    }).listen(0, '127.0.0.1');
    await once(way, 'listening');
    const url = `http://127.0.0.1:${(way.address() as AddressInfo).port}`;
    const argv = ['rows', 'probe', '--out', path];
    expect((await osa(argv, url)).code).toBe(1);
    await expect(stat(path)).rejects.toThrow('ENOENT');
    // Bytes behind the last complete page do not count.
    await writeFile(`${path}.part`, 'half a li', { flag: 'a' });
    pages = 10;
    expect((await osa(argv, url)).code).toBe(0);
    expect(pages).toBe(11);
    way.closeAllConnections();
    way.close();
    const { body } = await request(`${archive.daemon.url}/api/v1/data/sample/probe.ndjson`);
    expect(await readFile(path, 'utf8')).toBe(await body.text());
  });

  test('are written to the target of a link, which stays', async () => {
    const place = file('place');
    await mkdir(join(place, 'far'), { recursive: true });
    await symlink('far/x.csv', join(place, 'x.csv'));
    for (const _ of ['new', 'there already']) {
      expect((await osa(['rows', 'probe', '--limit', '1', '--out', join(place, 'x.csv')])).code).toBe(0);
      expect(await readlink(join(place, 'x.csv'))).toBe('far/x.csv');
      expect(await readFile(join(place, 'far/x.csv'), 'utf8')).toContain('Iron');
    }
    expect([await readdir(place), await readdir(join(place, 'far'))]).toEqual([['far', 'x.csv'], ['x.csv']]);
  });

  test.each([
    ['a device', (path: string) => symlink('/dev/null', path)],
    [
      'a socket',
      async (path: string) => void (await once(net.createServer().listen(path).unref(), 'listening')),
    ],
    ['a directory', async (path: string) => void (await mkdir(path))],
  ])('in the place of %s are refused, which stays', async (noun, make) => {
    const path = join('/tmp', `${crypto.randomUUID()}.csv`);
    await make(path);
    const before = await lstat(path);
    const { code, stdout } = await osa(['rows', 'probe', '--out', path, '--json']);
    const { error } = JSON.parse(stdout);
    expect([code, error.field, error.message]).toEqual([
      2,
      '--out',
      expect.stringContaining(`is ${noun}; name`),
    ]);
    expect((await lstat(path)).ino).toBe(before.ino);
    expect(existsSync(`${path}.part`)).toBe(false);
    await rm(path, { recursive: true });
  });

  test('that cannot be written are refused', async () => {
    const { code, stderr } = await osa(['rows', 'probe', '--out', '/dev/full/x.csv']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('cannot be written (ENOTDIR)')]);
  });
});
