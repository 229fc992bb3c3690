import { chosenTarget } from '@osa/cli/commands/trace/target';
import type { Client } from '@osa/cli/http/client';
import { beforeAll, expect, test } from 'vitest';
import { line, type StoryArchive, storyArchive } from './story-archive.ts';

/** \`osa trace\` against a real daemon, without a token, for each kind of name. */

let archive: StoryArchive;
beforeAll(async () => {
  archive = await storyArchive();
  return () => archive.close();
});

// biome-ignore lint/suspicious/noExplicitAny: documents of several shapes
async function traced(...argv: string[]): Promise<any> {
  const { code, stdout, stderr } = await archive.osa(['trace', ...argv, '--json']);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

test('a source is traced by its name, its id alone, its record and its run', async () => {
  const whole = await traced('tests:a');
  expect(whole).toMatchObject({ record: { source_id: 'a', version: 2 }, rows: [{ values: { value: 30 } }] });
  expect(await traced('a')).toEqual(whole);
  expect(await traced(whole.record.srn)).toEqual(whole);
  expect((await traced('b:c')).record.source_id).toBe('b:c');
  expect((await traced('tests:b:c')).record.source_id).toBe('b:c');
  const run = await traced(whole.rows[0].run_id);
  expect(run).toMatchObject({ hook: { name: 'probe' }, rows: [{ source_id: 'a' }] });
  const { stdout } = await archive.osa(['trace', whole.rows[0].run_id]);
  expect(stdout).toContain(`run      ${whole.rows[0].run_id}  passed`);
});

test('a source id that looks like a row is found as well', async () => {
  expect((await traced('d/1')).record.source_id).toBe('d/1');
  const { code, stderr } = await archive.osa(['trace', 'd/2']);
  expect(code).toBe(1);
  expect(stderr).toContain('d/2');
});

test('a release and a deploy show the code and what came of it', async () => {
  expect(await traced('probe@1')).toMatchObject({ release: { version: 1 }, made: { rows: 3, records: 3 } });
  const release = await archive.osa(['trace', 'probe@v1']);
  expect(release.stdout).toContain('3 rows of 3 records in 1 run');
  const [first = ''] = archive.deploys;
  expect(await traced(first)).toMatchObject({ deploy: { slug: 'tests' }, releases: [{ made: { rows: 3 } }] });
  expect((await archive.osa(['trace', first])).stdout).toContain('probe@1');
});

test('a name of several things is refused with their names, and --as chooses', async () => {
  const [first = '', second = ''] = archive.deploys;
  const prefix = first.slice(0, 8);
  expect(second.startsWith(prefix)).toBe(true);
  const { code, stderr } = await archive.osa(['trace', prefix]);
  expect(code).toBe(2);
  expect(stderr).toContain(`deploy ${first}`);
  expect(stderr).toContain('--as');
  const nothing = await archive.osa(['trace', 'nobody']);
  expect(nothing.code).toBe(1);
  expect(nothing.stderr).toContain('usgs-earthquakes:ak18247005');
  expect((await archive.osa(['trace', 'a', '--as', 'run'])).code).toBe(1);
});

test('a whole name is that thing, also where it is the id of another source', async () => {
  const source = (name: string) => ({ kind: 'source', name, of: 'tests' });
  const answer = { has_more: false, failed: [], ingestion: null };
  const clientOf = (...names: string[]) =>
    ({ call: () => Promise.resolve({ ...answer, items: names.map(source) }) }) as unknown as Client;
  const found = await chosenTarget(clientOf('tests:a', 'tests:tests:a'), 'tests:a', undefined);
  expect(found.name).toBe('tests:a');
  await expect(chosenTarget(clientOf('tests:a', 'other:a'), 'a', undefined)).rejects.toThrow(
    'several things',
  );
});

test('no name is refused before the server is asked', async () => {
  const { code, stderr } = await archive.osa(['trace', '']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('It must have 1 to 1200 characters')]);
});

test('a list gives one JSON document a line, in its order, also where a name is unknown', async () => {
  const { code, stdout } = await archive.osa(['trace', '-'], { stdin: 'tests:a\r\n\nnobody\nprobe@2\n' });
  expect(code).toBe(1);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text));
  expect(lines).toMatchObject([
    { what: 'tests:a', kind: 'source', trace: { record: { source_id: 'a' } } },
    { what: 'nobody', error: { code: 'not_found' } },
    { what: 'probe@2', kind: 'release' },
  ]);
});

test('the history of a source says what caused each result, and which values changed', async () => {
  const { code, stdout } = await archive.osa(['trace', 'tests:a', '--history']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/a, of tests: 2 versions/);
  expect(stdout).toMatch(/v2 .* new content, by ingestion .*\n.*\n {4}value: 1 → 10\n/);
  expect(stdout).toMatch(
    /probe v2 .* new content, a new release {2}current, 1 row\n {6}probe\/\d+\n {8}value: 2 → 30/,
  );
  expect(stdout).toMatch(/v1 .* came in/);
  expect(stdout).toMatch(/probe v1 .* new content {2}of an older version, 1 row/);
  const page = await archive.osa(['trace', 'a', '--history', '--limit', '1']);
  expect(page.stderr).toContain('more: osa trace tests:a --history --limit 1 --cursor ');
  const row = await archive.osa(['trace', 'probe/1', '--history', '--json']);
  expect(JSON.parse(row.stdout)).toMatchObject({ version_count: 2 });
  expect((await archive.osa(['trace', 'probe@1', '--history', '--as', 'release'])).code).toBe(2);
});

test('a record is found by its id, and by its SRN without a version: the newest one', async () => {
  const whole = await traced('tests:a');
  const [srn = ''] = String(whole.record.srn).split('@');
  expect(await traced(srn)).toEqual(whole);
  expect(await traced(srn.slice(srn.lastIndexOf(':') + 1))).toEqual(whole);
  expect((await archive.osa(['trace', srn.replace('urn:osa:', 'urn:osa:other.')])).code).toBe(1);
  const { code, stderr } = await archive.osa(['impact', '--record', srn]);
  expect(code).not.toBe(0);
  expect(stderr).toContain(`${srn}@2, ${srn}@1`);
});

test('a source whose record failed says where and why to callers who may read ingestions', async () => {
  await archive.ingest(`${line('fine', 4)}${JSON.stringify({ source_id: 'bad', metadata: {} })}\n`);
  const scopes = ['ingestions:read'];
  for (const name of ['bad', 'tests:bad']) {
    const told = await archive.osa(['trace', name], { scopes });
    expect(told.code).toBe(1);
    expect(told.stderr).toMatch(
      /no record of tests:bad is published: line 2 of ingestion [0-9a-f-]{36} is invalid: .*value/,
    );
  }
  const { stderr } = await archive.osa(['trace', 'bad'], { scopes });
  const [, id = ''] = /ingestion ([0-9a-f-]{36})/.exec(stderr) ?? [];
  expect((await archive.osa(['trace', id], { scopes })).stderr).toContain(`osa ingestions show ${id}`);
  for (const fewer of [undefined, ['runs:read'], ['ingestions:read:others']]) {
    for (const name of ['bad', 'tests:bad', id]) {
      const untold = await archive.osa(['trace', name], fewer && { scopes: fewer });
      expect([untold.code, untold.stderr]).toEqual([1, expect.stringContaining('is published')]);
      expect(untold.stderr).not.toMatch(/line 2|osa ingestions show/);
    }
  }
});
