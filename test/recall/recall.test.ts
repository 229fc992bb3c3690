import { impact } from '@osa/core/trace/impact';
import { recallRows, showRecall } from '@osa/core/trace/recall/read';
import { traceRecord, traceRow } from '@osa/core/trace/trace';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { closed, commitOf, namesOf, opened, refOf, times } from './recall-support.ts';

/**
 * Two hooks whose releases were built from commits: in full, shortened, from a dirty tree, and from no commit.
 * Later deploys declare all of them unchanged, from two commits more. Each release has made rows.
 */
const commits = Array.from({ length: 8 }, (_, index) => commitOf(`commit ${index}`));
const at = (index: number) => commits[index] ?? '';

interface Built {
  readonly hook: string;
  readonly version: number;
  readonly commits: readonly string[];
}

let bench: CoreArchive;
const built: Built[] = [];
beforeAll(async () => {
  bench = await coreArchive();
  const refs: readonly (readonly [string, readonly string[]])[] = [
    [refOf(at(0)), [at(0)]],
    [refOf(at(1).slice(0, 12)), [at(1)]],
    [`${refOf(at(2))}-dirty`, [at(2), at(5)]],
    [refOf(at(3)), [at(3)]],
    [refOf(at(4)), [at(4)]],
    ['git+https://example.org/elsewhere', [at(5)]],
  ];
  for (const [index, [sourceRef, of]] of refs.entries()) {
    const version = index + 1;
    const probe = { code: times(version), sourceRef };
    // The other hook is built from the commits in another order.
    const [otherRef, otherOf] = refs[refs.length - 1 - index] ?? ['', []];
    const other = { code: times(10 * version), sourceRef: otherRef };
    await bench.deploy({ probe, other });
    built.push({ hook: 'probe', version, commits: of }, { hook: 'other', version, commits: otherOf });
    await bench.ingest([record(`a${index % 2}`, version), record(`b${index}`, version)]);
    await bench.drain();
  }
  const owner = bench.open('owner');
  await owner.sql`
    insert into release_sources (hook, version, source_ref, actor)
    select hook, version, source, built_by from releases, unnest(${[5, 0].map((n) => refOf(at(n)))}::text[]) as s (source)
    order by hook, version, source = ${refOf(at(0))}`;
  return () => bench.dispose();
}, 120_000);

/** All rows by the release of their run, as the tables have it. */
async function rowsByRelease(): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = (
    await Promise.all(
      ['probe', 'other'].map(
        (hook) => bench.database.sql<{ name: string; release: string }[]>`
          select ${`${hook}/`} || f.id as name, r.hook || '@' || r.version as release
          from ${bench.database.sql(`features.${hook}`)} f join runs r on r.id = f.run_id`,
      ),
    )
  ).flat();
  return new Map(
    [...Map.groupBy(rows, ({ release }) => release)].map(([release, of]) => [
      release,
      of.map(({ name }) => name),
    ]),
  );
}

test('a recall by commits names exactly the rows of the releases built from them', async () => {
  const rows = await rowsByRelease();
  const all = [...rows.values()].flat();
  await fc.assert(
    fc.asyncProperty(
      fc.subarray(commits, { minLength: 1 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 7 }),
      async (chosen, isShort, limit) => {
        const given = chosen.map((commit) => (isShort ? commit.slice(0, 16) : commit));
        const releases = built.filter((release) => release.commits.some((commit) => chosen.includes(commit)));
        const expected = releases.flatMap(({ hook, version }) => rows.get(`${hook}@${version}`) ?? []);
        if (releases.length === 0) {
          await expect(opened(bench, { commits: given })).rejects.toMatchObject({ code: 'invalid' });
          return;
        }
        const recall = await opened(bench, { commits: given, range: 'a..b' });
        const names = await namesOf(bench, recall.id, limit);
        expect(names.toSorted()).toEqual(expected.toSorted());
        expect(recall.made.rows).toBe(expected.length);
        const notices = await noticesOfAll(all);
        const noticed = all.filter((name) => notices.get(name)?.includes(recall.id));
        expect(noticed.toSorted()).toEqual(expected.toSorted());
        await closed(bench, recall.id);
        expect([...(await noticesOfAll(all)).values()].flat()).toEqual([]);
      },
    ),
    { numRuns: 12 },
  );
}, 120_000);

async function noticesOfAll(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const name of names) {
    const [hook = '', id] = name.split('/');
    const { row } = await traceRow(bench.store, undefined, { hook, id: Number(id) });
    found.set(
      name,
      row.recalled.map((notice) => notice.id),
    );
  }
  return found;
}

test('each fact selects what impact counts for it, and says it as it was asked for', async () => {
  const [release] = await bench.database.sql<{ digest: string }[]>`
    select digest from releases where hook = 'probe' and version = 2`;
  const [deploy] = await bench.database.sql<{ id: string }[]>`select id from deploys order by at limit 1`;
  const [published] = await bench.database.sql<{ srn: string }[]>`
    select srn from published where source_id = 'b0'`;
  const facts = [
    [{ release: 'probe@2' }, 'release', 'probe@2'],
    [{ digest: release?.digest ?? '' }, 'digest', release?.digest],
    [{ built_by: admin.subject }, 'builder', admin.subject],
    [{ deploy: deploy?.id ?? '' }, 'deploy', deploy?.id],
    [{ record: published?.srn ?? '' }, 'record', published?.srn],
  ] as const;
  for (const [asked, fact, text] of facts) {
    const counted = await impact(bench.store, asked);
    const recall = await opened(bench, asked);
    const { made, releases, conventions } = recall;
    expect({ made, releases, conventions }).toEqual(counted);
    expect([recall.fact, recall.asked]).toEqual([fact, text]);
    expect(await namesOf(bench, recall.id, 2)).toHaveLength(counted.made.rows);
    expect(counted.made.rows).toBeGreaterThan(0);
    await closed(bench, recall.id);
  }
});

test('a record, its rows, and the view for people say that it is recalled', async () => {
  const [{ srn, id } = { srn: '', id: 0 }] = await bench.database.sql<{ srn: string; id: number }[]>`
    select p.srn, f.id::integer as id from published p
    join outcomes o on o.batch_record = p.batch_record and o.hook = 'probe'
    join features.probe f on f.outcome_id = o.id where p.source_id = 'b1'`;
  const recall = await opened(bench, { record: srn.toUpperCase().replace('URN:OSA', 'urn:osa') });
  const notices = [{ id: recall.id, reason: 'wrong units' }];
  const traced = await traceRecord(bench.store, srn);
  expect(traced.record.recalled).toEqual(notices);
  expect(traced.rows.map((row) => row.recalled)).toEqual([notices, notices]);
  const row = await traceRow(bench.store, undefined, { hook: 'probe', id });
  expect([row.row.recalled, row.record.recalled]).toEqual([notices, notices]);
  expect([row.run.recalled, row.release.recalled]).toEqual([[], []]);
  const viewed = await bench.database.sql`
    select id::integer, _recalled from current.probe where _recalled is not null`;
  expect([...viewed]).toEqual([{ id, _recalled: notices }]);
  const { rows } = await readRows(bench.store, 'bench-record', 'probe', { limit: 100, history: false });
  expect(rows.filter((each) => '_recalled' in each)).toMatchObject([{ id, _recalled: notices }]);
  await closed(bench, recall.id);
});

test('runs on a platform are selected by its digest, with nothing else of their release', async () => {
  const owner = bench.open('owner');
  const platform = `sha256:${'9'.repeat(64)}`;
  const [{ run, name } = { run: '', name: '' }] = await owner.sql<{ run: string; name: string }[]>`
    select f.run_id as run, 'probe/' || f.id as name from features.probe f
    join runs r on r.id = f.run_id where r.version = 1 limit 1`;
  await owner.transaction(async (tx) => {
    await tx`alter table attempts disable trigger once`;
    await tx`update attempts set platform_digest = ${platform} where run = ${run}`;
    await tx`alter table attempts enable trigger once`;
  });
  const rows = await bench.database.sql<{ name: string }[]>`
    select 'probe/' || id as name from features.probe where run_id = ${run} order by id`;
  const recall = await opened(bench, { digest: platform });
  expect(await namesOf(bench, recall.id, 1)).toEqual(rows.map((row) => row.name));
  expect(recall).toMatchObject({ release_count: 0, releases: [{ hook: 'probe', version: 1 }] });
  const {
    row,
    run: ran,
    release,
  } = await traceRow(bench.store, undefined, {
    hook: 'probe',
    id: Number(name.split('/')[1]),
  });
  expect([row.recalled.length, ran.recalled.length, release.recalled.length]).toEqual([1, 1, 0]);
  await closed(bench, recall.id);
});

test('a release that is made later joins the open recalls of its commit and its digest, and no closed one', async () => {
  const later = commitOf('later');
  const [first, over] = [
    await opened(bench, { commits: [at(0), later], range: 'x..y' }),
    await opened(bench, { commits: [at(0), later] }),
  ];
  await closed(bench, over.id);
  await bench.deploy({ probe: { code: times(77), sourceRef: refOf(later) }, other: { code: times(10) } });
  const names = async (id: string) =>
    (await showRecall(bench.store, id)).releases.map(({ hook, version }) => `${hook}@${version}`);
  const before = first.releases.map(({ hook, version }) => `${hook}@${version}`);
  expect(await names(first.id)).toEqual([...before, 'probe@7'].toSorted());
  expect(await names(over.id)).toEqual(before);
  await closed(bench, first.id);
});

test('what cannot be meant is refused, and nothing is stored', async () => {
  const count = async () => {
    const [row] = await bench.database.sql<
      { count: number }[]
    >`select count(*)::integer as count from recalls`;
    return row?.count;
  };
  const before = await count();
  const cases = [
    [{}, 'invalid'],
    [{ release: 'probe@1', built_by: 'x' }, 'invalid'],
    [{ release: 'probe@99' }, 'not_found'],
    [{ release: 'nothing@1' }, 'not_found'],
    [{ release: 'probe' }, 'invalid'],
    [{ digest: `sha256:${'0'.repeat(64)}` }, 'invalid'],
    [{ commits: [commitOf('of nobody')] }, 'invalid'],
    [{ built_by: 'nobody' }, 'invalid'],
    [{ deploy: '0198c0de-0000-7000-8000-000000000000' }, 'not_found'],
    [{ record: 'urn:osa:localhost:rec:0198c0de-0000-7000-8000-000000000000@1' }, 'not_found'],
    [{ record: 'b0' }, 'invalid'],
    [{ release: 'probe@1', range: 'a..b' }, 'invalid'],
  ] as const;
  for (const [asked, code] of cases) {
    await expect([asked, await opened(bench, { ...asked } as never).catch((error) => error.code)]).toEqual([
      asked,
      code,
    ]);
  }
  expect(await count()).toBe(before);
  const recall = await opened(bench, { release: 'probe@1' });
  await closed(bench, recall.id);
  await expect(closed(bench, recall.id)).rejects.toMatchObject({ code: 'conflict' });
  const unknown = '0198c0de-0000-7000-8000-000000000000';
  await expect(closed(bench, unknown)).rejects.toMatchObject({ code: 'not_found' });
  await expect(recallRows(bench.store, unknown, { limit: 1 })).rejects.toMatchObject({ code: 'not_found' });
});
