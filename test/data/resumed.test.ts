import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCliWorld } from '../support/fixtures/cli-world.ts';
import { type DataArchive, dataArchive } from './archive.ts';

/** Files and exports that were interrupted, and what happened to their parts before the same command was repeated. */

let archive: DataArchive;
let way: Server;
/** Called before a request goes to the daemon; an error ends the command. */
let before: (url: string) => Promise<void> | void = () => undefined;
let table: string;

beforeAll(async () => {
  archive = await dataArchive();
  await archive.ingest(
    Array.from({ length: 2_500 }, (_, n) => [`s${n}`, { name: `Sample ${n}`, mass: n }] as const),
  );
  way = createServer(async (incoming, outgoing) => {
    const url = incoming.url ?? '';
    try {
      await before(url);
    } catch {
      const problem = {
        type: 'x',
        title: 'x',
        status: 422,
        detail: 'stop',
        code: 'invalid',
        message: 'stop',
      };
      outgoing.writeHead(422, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
      return;
    }
    const { statusCode, headers, body } = await request(`${archive.daemon.url}${url}`);
    outgoing
      .writeHead(statusCode, { 'content-type': String(headers['content-type']) })
      .end(await body.text());
  }).listen(0, '127.0.0.1');
  await once(way, 'listening');
  table = await (await request(`${archive.daemon.url}/api/v1/data/sample/probe.ndjson`)).body.text();
}, 60_000);
afterAll(async () => {
  way.closeAllConnections();
  way.close();
  await archive.close();
});

const osa = async (...args: string[]) => {
  await using world = await createCliWorld();
  return world.osa(
    args.includes('--verify')
      ? args
      : [...args, '--server', `http://127.0.0.1:${(way.address() as AddressInfo).port}`],
  );
};
const file = (name: string) => join(archive.daemon.directory, `${crypto.randomUUID()}-${name}`);

/** Ends commands at the page of `name` with this number, counted from 1. */
function endAt(name: string, page: number): void {
  let pages = 0;
  before = (url) => {
    if (!url.includes(`/${name}?`)) return;
    pages += 1;
    if (pages === page) throw new Error('stop');
  };
}
const endNowhere = () => {
  before = () => undefined;
};
beforeEach(endNowhere);

/** A part of the rows of `probe`: its first two pages, of 1,000 rows each. */
async function begunFile(...args: string[]): Promise<string> {
  const path = file('x.ndjson');
  endAt('probe', 3);
  expect((await osa('rows', 'probe', '--out', path, ...args)).code).toBe(1);
  endNowhere();
  return path;
}

describe('a file', () => {
  test.each([
    ['is gone', (part: string) => rm(part)],
    ['is shorter', (part: string) => truncate(part, 1_000)],
    [
      'has another byte',
      async (part: string) => {
        await using handle = await open(part, 'r+');
        await handle.write('X', 500);
      },
    ],
  ])('whose part %s begins anew', async (_what, change) => {
    const path = await begunFile();
    await change(`${path}.part`);
    expect((await osa('rows', 'probe', '--out', path)).code).toBe(0);
    expect(await readFile(path, 'utf8')).toBe(table);
  });

  test('whose notes could not be replaced goes on behind the notes from before', async () => {
    const path = file('x.ndjson');
    // A directory is in the place where notes are written, as if the disk were full.
    before = async (url) => {
      if (url.includes('cursor=')) await mkdir(`${path}.part.json.next`, { recursive: true });
    };
    expect((await osa('rows', 'probe', '--out', path)).code).toBe(2);
    await rm(`${path}.part.json.next`, { recursive: true });
    let first = '';
    before = (url) => {
      if (url.includes('/probe?')) first ||= url;
    };
    expect((await osa('rows', 'probe', '--out', path)).code).toBe(0);
    expect(first).toContain('cursor=');
    expect(await readFile(path, 'utf8')).toBe(table);
    endNowhere();
  });

  test.each(['csv', 'ndjson', 'parquet'])('of %s that two write at a time gets no name', async (format) => {
    const path = file(`x.${format}`);
    before = async (url) => {
      if (url.includes('cursor=')) await writeFile(`${path}.part`, 'rows of the other command');
    };
    const { code, stderr } = await osa('rows', 'probe', '--out', path);
    expect([code, stderr, existsSync(path)]).toEqual([
      2,
      expect.stringContaining('something else has written to it'),
      false,
    ]);
    endNowhere();
    expect((await osa('rows', 'probe', '--out', path)).code).toBe(0);
    expect(existsSync(`${path}.part`)).toBe(false);
  });

  test('has no more rows than the command that ends it asks for', async () => {
    const path = await begunFile('--limit', '2400');
    expect((await osa('rows', 'probe', '--out', path, '--limit', '10')).code).toBe(0);
    expect((await readFile(path, 'utf8')).trimEnd().split('\n')).toHaveLength(10);
  });

  test.each(['csv', 'ndjson', 'parquet', 'arrow'])('of %s begins behind its cursor', async (format) => {
    const { stdout } = await osa('rows', 'probe', '--limit', '3', '--json');
    const path = file(`x.${format}`);
    const cursor = ['--cursor', JSON.parse(stdout).next_cursor];
    const made = await osa('rows', 'probe', ...cursor, '--columns', 'label', '--out', path, '--json');
    expect(JSON.parse(made.stdout).rows).toBe(2_497);
    if (format !== 'ndjson') return;
    const [, , , fourth = ''] = table.split('\n');
    const [line = ''] = (await readFile(path, 'utf8')).split('\n');
    expect(JSON.parse(line).label).toBe(JSON.parse(fourth).label);
  });

  test('that goes on names the recalls of the rows from before, too', async () => {
    const { stdout } = await osa('rows', 'probe', '--limit', '1', '--json');
    const [{ record_srn }] = JSON.parse(stdout).rows;
    const json = { record: record_srn, reason: 'of the first page' };
    const { id } = await archive.daemon.call('openRecall', { json });
    const path = await begunFile();
    const { code, stderr } = await osa('rows', 'probe', '--out', path);
    expect([code, stderr]).toEqual([0, expect.stringContaining('of the first page')]);
    await archive.daemon.call('closeRecall', { params: { id }, json: { reason: 'seen' } });
  });
});

describe('an export', () => {
  /** Its records are done, and its rows are not. */
  async function begunExport(): Promise<string> {
    const path = file('export');
    endAt('probe', 2);
    expect((await osa('export', 'samples', '--out', path)).code).toBe(1);
    endNowhere();
    return path;
  }

  test.each([
    ['is gone', (records: string) => rm(records)],
    ['is another one', (records: string) => appendFile(records, 'x')],
  ])('whose table %s saves it again', async (_what, change) => {
    const path = await begunExport();
    const records = await readFile(join(`${path}.part`, 'data/records.csv'));
    await change(join(`${path}.part`, 'data/records.csv'));
    expect((await osa('export', 'samples', '--out', path)).code).toBe(0);
    expect(await readFile(join(path, 'data/records.csv'))).toEqual(records);
    expect(await osa('export', '--verify', path)).toMatchObject({ code: 0, stdout: 'all right: 4 files\n' });
  });

  test('in another format has no files of the one that was interrupted', async () => {
    const path = await begunExport();
    expect((await osa('export', 'samples', '--out', path, '--format', 'parquet')).code).toBe(0);
    expect((await readdir(join(path, 'data'))).sort()).toEqual(['probe.parquet', 'records.parquet']);
    expect(await osa('export', '--verify', path)).toMatchObject({ code: 0 });
  });

  test.each(['', '{"identity":"half', 'null'])(
    'with notes of %j asks to move the part away',
    async (notes) => {
      const path = await begunExport();
      await writeFile(join(`${path}.part`, 'export-in-progress.json'), notes);
      const { code, stdout } = await osa('export', 'samples', '--out', path, '--json');
      const { code: kind, message, field } = JSON.parse(stdout).error;
      expect([code, kind, field, message]).toEqual([
        2,
        'usage',
        '--out',
        expect.stringContaining('not of an unfinished export'),
      ]);
      expect(existsSync(join(`${path}.part`, 'data/records.csv'))).toBe(true);
    },
  );

  test.each(['', '.zip'])(
    'with a file of somebody else does not say that it is its own%s',
    async (ending) => {
      const path = `${file('export')}${ending}`;
      before = async (url) => {
        if (url.includes('/probe?')) await writeFile(join(`${path}.part`, 'data/mine.txt'), 'x');
      };
      expect((await osa('export', 'samples', '--out', path)).code).toBe(0);
      endNowhere();
      const { stdout } = await osa('export', '--verify', path, '--json');
      expect(JSON.parse(stdout)).toMatchObject({ files: 4, unknown: ending === '' ? ['data/mine.txt'] : [] });
    },
  );
});
