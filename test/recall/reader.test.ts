import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';
import { type StoryArchive, storyArchive } from '../trace/story-archive.ts';

/** Recalls over HTTP and by the command line: who may open one, and what everybody sees. */

let archive: StoryArchive;
let recall: string;
const scopes = ['recalls:write:probe'];
const notice = { reason: 'energies in ergs' };
beforeAll(async () => {
  archive = await storyArchive();
  const argv = ['recall', 'open', '--release', 'probe@1', '--reason', notice.reason, '--advice', 'use v2'];
  const { code, stdout, stderr } = await archive.osa([...argv, '--json'], { scopes });
  expect([code, stderr]).toEqual([0, '']);
  recall = JSON.parse(stdout).id;
  return () => archive.close();
});

// biome-ignore lint/suspicious/noExplicitAny: documents of several shapes
async function read(path: string): Promise<any> {
  const { status, text } = await archive.daemon.send('GET', path);
  expect([path, status]).toEqual([path, 200]);
  return JSON.parse(text);
}

describe('a reader without a token sees the notice', () => {
  test('in the trace of each kind', async () => {
    const notices = [{ id: recall, ...notice }];
    const row = await read('/api/v1/trace/rows/probe/1');
    expect([row.row.recalled, row.run.recalled, row.release.recalled]).toEqual([notices, notices, notices]);
    const record = await read(`/api/v1/trace/records/${row.record.srn}`);
    expect(record.rows[0].recalled).toEqual(notices);
    expect((await read(`/api/v1/trace/runs/${row.run.id}`)).run.recalled).toEqual(notices);
    expect((await read('/api/v1/trace/releases/probe/1')).release.recalled).toEqual(notices);
    expect((await read('/api/v1/trace/releases/probe/2')).release.recalled).toEqual([]);
    const [first = '', second = ''] = archive.deploys;
    expect((await read(`/api/v1/trace/deploys/${first}`)).releases[0].recalled).toEqual(notices);
    expect((await read(`/api/v1/trace/deploys/${second}`)).releases[0].recalled).toEqual([]);
    const history = await read('/api/v1/trace/history?convention=tests&source_id=a');
    const results = history.versions.map(
      (version: { results: { recalled: object[] }[] }) => version.results[0],
    );
    expect(results.map(({ recalled }: { recalled: object[] }) => recalled)).toEqual([[], notices]);
  });

  test('in each format of a trace', async () => {
    for (const format of [
      'tree',
      'mermaid',
      'dot',
      'html',
      'prov-jsonld',
      'ro-crate',
      'openlineage',
      'in-toto',
    ]) {
      const { code, stdout } = await archive.osa(['trace', 'probe/1', '--format', format]);
      const text =
        format === 'in-toto' ? Buffer.from(JSON.parse(stdout).payload, 'base64').toString() : stdout;
      expect([format, code, text.includes(notice.reason)]).toEqual([format, 0, true]);
    }
    for (const what of ['probe/1', 'probe@1', 'tests:b:c']) {
      expect([what, (await archive.osa(['trace', what])).stdout]).toEqual([
        what,
        expect.stringContaining('recalled'),
      ]);
    }
    expect((await archive.osa(['trace', 'probe/4'])).stdout).not.toContain('recalled');
  });

  test('in rows, and in files that hold the provenance', async () => {
    const { rows } = await read('/api/v1/data/test-record/probe?history=true');
    const marked = rows.filter((row: object) => '_recalled' in row);
    expect(marked.map(({ id }: { id: number }) => id)).toEqual([1, 2, 3]);
    expect(marked[0]._recalled).toEqual([{ id: recall, ...notice }]);
    const csv = await archive.daemon.send('GET', '/api/v1/data/test-record/probe.csv?include=provenance');
    expect(csv.text.split('\r\n').filter((line) => line.includes(recall))).toHaveLength(2);
    const plain = await archive.daemon.send('GET', '/api/v1/data/test-record/probe.csv');
    expect(plain.text).not.toContain('_recalled');
  });

  test('in an export, and when rows are saved', async () => {
    const { path, dispose } = await scratch();
    try {
      const out = join(path, 'made');
      const made = await archive.osa(['export', 'tests', '--out', out]);
      expect([made.code, made.stderr]).toEqual([0, expect.stringContaining(notice.reason)]);
      const described = JSON.parse(await readFile(join(out, 'datapackage.json'), 'utf8'));
      expect(described.recalls).toMatchObject([{ id: recall, advice: 'use v2', asked: 'probe@1' }]);
      expect(await readFile(join(out, 'ro-crate-metadata.json'), 'utf8')).toContain(`urn:uuid:${recall}`);
      for (const more of [['--out', join(path, 'rows.csv')], [], ['--format', 'ndjson']]) {
        expect((await archive.osa(['rows', 'probe', ...more])).stderr).toContain(notice.reason);
      }
      const one = ['rows', 'probe', '--where', 'release = 2'];
      expect((await archive.osa(one)).stderr).not.toContain(notice.reason);
    } finally {
      await dispose();
    }
  });

  test('in the list of recalls, which counts what is current', async () => {
    const listed = JSON.parse((await archive.osa(['recall', 'list', '--status', 'open', '--json'])).stdout);
    expect(listed.items).toMatchObject([
      { id: recall, fact: 'release', asked: 'probe@1', advice: 'use v2', current: { rows: 2, records: 2 } },
    ]);
    const of = async (convention: string) =>
      (await read(`/api/v1/recalls?convention=${convention}`)).items.length;
    expect([await of('tests'), await of('nothing')]).toEqual([1, 0]);
    const shown = JSON.parse((await archive.osa(['recall', 'show', recall.slice(0, 13), '--json'])).stdout);
    expect(shown).toMatchObject({ made: { rows: 3, records: 3 }, conventions: [{ convention: 'tests' }] });
    const names = (await archive.osa(['recall', 'show', recall, '--list'])).stdout;
    expect(names.trimEnd().split('\n').toSorted()).toEqual(['probe/1', 'probe/2', 'probe/3']);
    const text = (await archive.osa(['recall', 'show', recall])).stdout;
    expect(text).toContain(`osa hooks recompute probe --recalled ${recall}`);
  });
});

test('a recalled version of a record is named by its history and by receipts, and no other one', async () => {
  const { path, dispose } = await scratch();
  try {
    const { record } = await read('/api/v1/trace/rows/probe/1');
    const reason = 'the instrument was off';
    const argv = ['recall', 'open', '--record', record.srn, '--reason', reason, '--json'];
    const scopes = ['recalls:write'];
    const { id } = JSON.parse((await archive.osa(argv, { scopes })).stdout);
    const { versions } = await read('/api/v1/trace/history?convention=tests&source_id=a');
    expect(versions.map(({ srn, recalled }: { srn: string; recalled: object[] }) => [srn, recalled])).toEqual(
      versions.map(({ srn }: { srn: string }) => [srn, srn === record.srn ? [{ id, reason }] : []]),
    );
    expect(versions).toHaveLength(2);
    expect((await archive.osa(['trace', 'tests:a', '--history'])).stdout).toContain(`recalled: ${reason}`);
    const receipt = join(path, 'receipt.json');
    await writeFile(receipt, (await archive.osa(['trace', 'probe/1', '--format', 'in-toto'])).stdout);
    expect((await archive.osa(['verify', receipt])).stdout).toContain(`recalled: ${reason}`);
    expect(
      (await archive.osa(['recall', 'close', id, '--reason', 'it was not', '--json'], { scopes })).code,
    ).toBe(0);
    const after = await read('/api/v1/trace/history?convention=tests&source_id=a');
    expect(after.versions.map(({ recalled }: { recalled: object[] }) => recalled)).toEqual([[], []]);
  } finally {
    await dispose();
  }
});

test('the status names what is recalled and current, and asks for a person', async () => {
  const { code, stdout } = await archive.osa(['status', '--json'], { scopes: ['runs:read'] });
  const status = JSON.parse(stdout);
  expect(code).toBe(1);
  expect(status.recalls).toMatchObject([{ id: recall, rows: 2 }]);
  expect(status.needs).toContainEqual(expect.objectContaining({ code: 'recalled' }));
});

test('a range of commits is resolved by git where the command runs, and sent as a list', async () => {
  const { path, dispose } = await scratch();
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-C', path, ...args], {
      env: { PATH: process.env.PATH, HOME: path },
      encoding: 'utf8',
    }).trim();
  try {
    git('init', '-q');
    for (const message of ['one', 'two', 'three']) git('commit', '-q', '--allow-empty', '-m', message);
    const [three = '', two = '', one = ''] = git('rev-list', 'HEAD').split('\n');
    const owner = archive.daemon.database.open(archive.daemon.database.ownerUrl);
    await owner.sql`
      insert into release_sources (hook, version, source_ref, actor)
      select hook, version, ${`git+https://example.org/repo@${two}`}, built_by from releases where version = 2`;
    const open = (range: string, ...more: string[]) =>
      archive.osa(['recall', 'open', '--source-ref', range, '--reason', 'bad range', '--json', ...more], {
        scopes,
        cwd: path,
      });
    const opened = await open(`${one}..${three}`);
    expect(opened.code).toBe(0);
    const made = JSON.parse(opened.stdout);
    expect(made).toMatchObject({ fact: 'commits', commits: 2, asked: `${one}..${three}` });
    expect(made.releases.map((release: { version: number }) => release.version)).toEqual([2]);
    expect((await open('HEAD')).code).toBe(1);
    for (const strange of ['HEAD..HEAD', 'nothing..HEAD', '--all'])
      expect((await open(strange)).code).toBe(2);
    const over = await archive.osa(['recall', 'close', made.id, '--reason', 'a test'], { scopes });
    expect([over.code, over.stdout]).toEqual([0, expect.stringContaining('closed')]);
    expect((await archive.osa(['recall', 'close', made.id, '--reason', 'again'], { scopes })).code).toBe(1);
  } finally {
    await dispose();
  }
});

test('opening and closing take the scope for each hook, and a reason', async () => {
  const open = ['recall', 'open', '--release', 'probe@2'];
  expect((await archive.osa(open, { scopes })).code).toBe(2);
  expect((await archive.osa([...open, '--reason', '  '], { scopes })).code).toBe(2);
  const asked = [...open, '--reason', 'x'];
  expect((await archive.osa(asked)).code).toBe(4);
  for (const other of [['recalls:write:other'], ['hooks:write']]) {
    expect((await archive.osa(asked, { scopes: other })).code).toBe(4);
  }
  const shown = await archive.osa(['rows', 'probe', '--limit', '1', '--json']);
  const srn: string = JSON.parse(shown.stdout).rows[0].record_srn;
  const record = ['recall', 'open', '--record', srn, '--reason', 'x'];
  expect((await archive.osa(record, { scopes })).code).toBe(4);
  const opened = await archive.osa(record, { scopes: ['recalls:write'] });
  expect([opened.code, opened.stdout]).toEqual([0, expect.stringMatching(/current +\d+ rows?\n/)]);
  expect(opened.stdout).not.toContain('osa hooks recompute');
  expect((await read(`/api/v1/data/records/${srn.split(':').at(-1)}`)).recalled).toMatchObject([
    { reason: 'x' },
  ]);
  const close = ['recall', 'close', recall, '--reason', 'x'];
  expect((await archive.osa(close, { scopes: ['recalls:write:other'] })).code).toBe(4);
});
