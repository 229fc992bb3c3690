import { execFileSync } from 'node:child_process';
import { postgresStore } from '@osa/core/postgres/store';
import { impactRows } from '@osa/core/trace/impact';
import { beforeAll, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';
import { type StoryArchive, storyArchive } from './story-archive.ts';

/** \`osa impact\`: what releases have made, counted and listed. */

let archive: StoryArchive;
beforeAll(async () => {
  archive = await storyArchive();
  return () => archive.close();
});

// biome-ignore lint/suspicious/noExplicitAny: documents of several shapes
async function impact(...argv: string[]): Promise<any> {
  const { code, stdout, stderr } = await archive.osa(['impact', ...argv, '--json']);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

test('is counted by release, by digest, by builder and by deploy', async () => {
  const one = await impact('--release', 'probe@1');
  expect(one).toMatchObject({
    made: { rows: 3, records: 3, runs: 1 },
    releases: [{ hook: 'probe', version: 1, live_version: 2, made: { rows: 3 } }],
    conventions: [{ convention: 'tests', rows: 3 }],
  });
  expect(await impact('--digest', one.releases[0].digest)).toEqual(one);
  const [{ digest }] = one.releases;
  for (const beginning of [digest.slice(7), digest.slice(0, 19), digest.slice(7, 13)])
    expect(await impact('--digest', beginning)).toEqual(one);
  expect(await impact('--deploy', archive.deploys[0] ?? '')).toEqual(one);
  expect((await impact('--built-by', 'tester')).made).toMatchObject({ rows: 4, records: 4, runs: 2 });
  expect(await impact('--built-by', 'nobody')).toMatchObject({ made: { rows: 0 }, releases: [] });
  const { stdout } = await archive.osa(['impact', '--release', 'probe@2']);
  expect(stdout).toContain('1 row of 1 record in 1 run');
});

test('a list has the name of each row once, whatever its pages are', async () => {
  const { stdout } = await archive.osa(['impact', '--built-by', 'tester', '--list']);
  const names = stdout.trimEnd().split('\n');
  expect(names).toHaveLength(4);
  expect(new Set(names).size).toBe(4);
  const store = postgresStore(archive.daemon.database.open(archive.daemon.database.appUrl), {
    domain: 'localhost',
  });
  for (const limit of [1, 2, 3, 4, 5]) {
    const listed: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await impactRows(store, { built_by: 'tester' }, { limit, cursor });
      listed.push(...page.items.map(({ name }) => name));
      expect(page.items.length).toBeLessThanOrEqual(limit);
      if (page.next_cursor === null) break;
      cursor = page.next_cursor;
    }
    expect(listed).toEqual(names);
  }
  const documents = (await archive.osa(['impact', '--release', 'probe@2', '--list', '--json'])).stdout;
  expect(JSON.parse(documents)).toMatchObject({ source_id: 'a', release: 2, current: true });
});

test('a range of commits is resolved by git where the command runs', async () => {
  const { path, dispose } = await scratch();
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-C', path, ...args], {
      env: { PATH: process.env.PATH, HOME: path },
      encoding: 'utf8',
    }).trim();
  try {
    git('init', '-q');
    for (const message of ['one', 'two', 'three']) git('commit', '-q', '--allow-empty', '-m', message);
    const [three, two, one] = git('rev-list', 'HEAD').split('\n');
    const { owner } = { owner: archive.daemon.database.open(archive.daemon.database.ownerUrl) };
    // A deploy of the commit that holds the code of a release made from no commit.
    await owner.sql`
      insert into release_sources (hook, version, source_ref, actor)
      select hook, version, ${`git+https://example.org/repo@${two}`}, built_by from releases where version = 1`;
    const at = async (ref: string) => {
      const { code, stdout } = await archive.osa(['impact', '--source-ref', ref, '--json'], { cwd: path });
      return code === 0 ? JSON.parse(stdout).releases.map((r: { version: number }) => r.version) : code;
    };
    expect(await at(`${one}..${three}`)).toEqual([1]);
    expect(await at('HEAD~1')).toEqual([1]);
    expect(await at('HEAD')).toEqual([]);
    // A repository without a remote names only the commit, and the SDK shortens it. The next deploy changes nothing.
    for (const ref of [`git:${one?.slice(0, 7)}`, `git:${three}`])
      await owner.sql`
        insert into release_sources (hook, version, source_ref, actor)
        select hook, version, ${ref}, built_by from releases where version = 2`;
    expect([await at('HEAD'), await at('HEAD~2')]).toEqual([[], [2]]);
    expect(await at(two ?? '')).toEqual([1]);
    expect(await at('HEAD..HEAD')).toBe(2);
    expect(await at('nothing')).toBe(2);
    expect(await at('--all')).toBe(2);
  } finally {
    await dispose();
  }
});

test('what cannot be meant is refused', async () => {
  for (const argv of [[], ['--release', 'probe@1', '--built-by', 'x']]) {
    expect((await archive.osa(['impact', ...argv])).code).toBe(2);
  }
  for (const argv of [
    ['--release', 'probe@9'],
    ['--release', 'nothing@1'],
    ['--release', 'probe'],
    ['--digest', 'abc'],
  ]) {
    expect((await archive.osa(['impact', ...argv])).code).toBe(1);
  }
  const both = await archive.daemon.send('GET', '/api/v1/impact?release=probe@1&built_by=x');
  expect([both.status, both.problem?.code]).toEqual([422, 'invalid']);
  const forged = Buffer.from(JSON.stringify({ list: 'impactRows', s: null, id: 'x y z' })).toString(
    'base64url',
  );
  const cursor = await archive.daemon.send('GET', `/api/v1/impact/rows?built_by=tester&cursor=${forged}`);
  expect(cursor.status).toBeLessThan(500);
});
