import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployRequest, everything, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';

let daemon: TestDaemon;
const rules = { accepted_types: ['.csv', '.txt'], min_count: 1, max_count: 3, max_file_size: 5_000_000 };
beforeAll(async () => {
  daemon = await testDaemon();
  await daemon.call('deploy', { json: { ...deployRequest(), file_requirements: rules } });
});
afterAll(() => daemon.close());

/** A directory with records and their files, by paths below it. */
async function ingest(
  argv: readonly string[],
  contents: Readonly<Record<string, string>>,
  prepare?: (cwd: string) => Promise<unknown>,
) {
  await using world = await createCliWorld();
  for (const [path, text] of Object.entries(contents)) {
    await mkdir(join(world.cwd, path, '..'), { recursive: true });
    await writeFile(join(world.cwd, path), text);
  }
  await prepare?.(world.cwd);
  const token = (await daemon.bearer(everything)).replace('Bearer ', '');
  const environment = { OSA_TOKEN: token, OSA_SERVER: daemon.url };
  return await world.osa(['ingest', 'tests', ...argv], { environment });
}

const record = (source_id: string, more: object = {}) =>
  `${JSON.stringify({ source_id, metadata: { value: 1 }, ...more })}\n`;

async function filesOf(stdout: string) {
  const { id } = JSON.parse(stdout);
  const { items } = await daemon.call('listIngestionRecords', { params: { id } });
  const found = [];
  for (const { source_id, reason, record_srn } of items) {
    const listed =
      record_srn === null ? undefined : await daemon.call('listRecordFiles', { params: { id: record_srn } });
    found.push([source_id, reason ?? listed?.items.map(({ name }) => name)]);
  }
  return Object.fromEntries(found);
}

test('the directory of each record is sent with it, and only once', async () => {
  const large = 'x,'.repeat(1_000_000);
  const contents = {
    'records.ndjson': `${record('a')}\n${record('b')}${record('none')}`,
    'files/a/one.csv': 'a,1',
    'files/a/.DS_Store': 'x',
    'files/b/large.csv': large,
    'files/b/one.csv': 'a,1',
    'files/other/x.csv': 'x',
  };
  const argv = ['records.ndjson', '--files', 'files', '--json'];
  const first = await ingest(argv, contents);
  expect(first.stderr).toContain('1 directory of files belong to no record: other');
  expect(first.stderr).toContain('2 files of records: 2 sent, 0 stored before');
  expect(await filesOf(first.stdout)).toEqual({
    a: ['one.csv'],
    b: ['large.csv', 'one.csv'],
    none: expect.stringContaining('1 at least'),
  });
  const again = await ingest(argv, contents);
  expect(again.stderr).toContain('2 files of records: 0 sent, 2 stored before');
  expect(JSON.parse(again.stdout)).toMatchObject({ id: JSON.parse(first.stdout).id, created: false });
});

test('a directory of which a record names a file by its path is in use, however deep the file is', async () => {
  const { stderr } = await ingest(['records.ndjson', '--files', 'files', '--json'], {
    'records.ndjson': record('named', { files: ['shared/one.csv', 'deep/a/two.csv'] }),
    'files/shared/one.csv': '1',
    'files/deep/a/two.csv': '2',
    'files/other/x.csv': 'x',
  });
  expect(stderr).toContain('1 directory of files belong to no record: other\n');
});

test('a record names its files by paths beside the records', async () => {
  const { code, stdout, stderr } = await ingest(['in/records.ndjson', '--json'], {
    'in/records.ndjson': record('paths', { files: ['data/two.txt', 'three.csv'] }),
    'in/data/two.txt': 'two',
    'in/three.csv': 'three',
  });
  expect(code, stderr).toBe(0);
  expect(await filesOf(stdout)).toEqual({ paths: ['three.csv', 'two.txt'] });
});

test.each([
  ['leads out', { files: ['../secret.txt'] }, 'leads out of'],
  ['is absolute', { files: ['/etc/hostname'] }, 'leads out of'],
  ['is a link out', { files: ['link.txt'] }, 'leads out of'],
  ['is not there', { files: ['nothing.txt'] }, 'is not there'],
  ['is a directory', { files: ['place'] }, 'is a directory, and osa takes files only: name those in it'],
])('a path that %s is refused with its line, and nothing is sent', async (_what, more, why) => {
  const contents = {
    'in/records.ndjson': `${record('fine')}${record('wrong', more)}`,
    'secret.txt': 'secret',
    'in/place/x.txt': 'x',
  };
  const { code, stderr } = await ingest(['in/records.ndjson'], contents, (cwd) =>
    symlink(join(cwd, 'secret.txt'), join(cwd, 'in/link.txt')),
  );
  expect(code).toBe(2);
  expect(stderr).toContain(why);
  expect(stderr).toContain('line 2');
});

test('links and directories among the files of a record are refused by name', async () => {
  const contents = { 'records.ndjson': record('a'), 'files/a/one.csv': '1', 'secret.csv': '2' };
  const linked = await ingest(['records.ndjson', '--files', 'files'], contents, (cwd) =>
    symlink(join(cwd, 'secret.csv'), join(cwd, 'files/a/two.csv')),
  );
  expect([linked.code, linked.stderr]).toEqual([2, expect.stringContaining('is a symbolic link')]);
  const nested = await ingest(['records.ndjson', '--files', 'files'], {
    ...contents,
    'files/a/b/c.csv': '3',
  });
  expect([nested.code, nested.stderr]).toEqual([2, expect.stringContaining('is a directory')]);
});

test.each([
  [
    'a pipe',
    (place: string) => execa('mkfifo', [join(place, 'b.csv')]),
    'is a pipe, and osa takes files only',
  ],
  ['of a name in Latin-1', (place: string) => writeFile(latin1(place), 'x'), 'has a name that is not UTF-8'],
])('what is %s among the files of a record is refused with its kind', async (_what, make, why) => {
  const contents = { 'records.ndjson': record('a'), 'files/a/one.csv': '1' };
  const { code, stderr } = await ingest(['records.ndjson', '--files', 'files'], contents, (cwd) =>
    make(join(cwd, 'files/a')),
  );
  expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
});

/** A name that is no UTF-8, as a file system on Linux keeps it. */
const latin1 = (place: string) =>
  Buffer.concat([Buffer.from(`${place}/r`), Buffer.from([0xe9]), Buffer.from('.csv')]);

test('files whose names are refused are not sent', async () => {
  const { code, stderr, stdout } = await ingest(['records.ndjson', '--files', 'files'], {
    'records.ndjson': record('hidden') + record('twins'),
    'files/hidden/a\u200bb.csv': 'hidden',
    'files/twins/A.csv': 'one of two',
    'files/twins/a.csv': 'the other one',
  });
  expect([code, stderr]).toEqual([1, expect.not.stringContaining('sent')]);
  expect(stdout).toContain('are the same name');
});

test('--check looks at files too, and --files needs records that can be read twice', async () => {
  const contents = { 'records.ndjson': record('a'), 'files/a/one.exe': '1' };
  const checked = await ingest(['records.ndjson', '--files', 'files', '--check'], contents);
  expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining('takes .csv, .txt')]);
  const piped = await ingest(['-', '--files', 'files'], contents);
  expect([piped.code, piped.stderr]).toEqual([2, expect.stringContaining('instead of standard input')]);
  const missing = await ingest(['records.ndjson', '--files', 'nothing'], contents);
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('is not there')]);
});
