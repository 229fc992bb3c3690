import { migrations } from '@osa/core/postgres/migrations/index';
import { postgresStore } from '@osa/core/postgres/store';
import { beforeAll, expect, test } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { until } from '../support/database/database.ts';
import { tableReads } from '../support/database/table-reads.ts';
import { commitOf, opened, refOf, times, writer } from './recall-support.ts';

/** The database itself proves what a recall names, against the application's role and the owner alike. */

let bench: CoreArchive;
const id = '0198c0de-0000-7000-8000-000000000001';
beforeAll(async () => {
  bench = await coreArchive();
  await bench.deploy({ probe: { code: times(1), sourceRef: refOf(commitOf('one')) } });
  await bench.deploy({ probe: { code: times(2), sourceRef: refOf(commitOf('two')) } });
  await bench.ingest([record('a', 1), record('b', 2)]);
  await bench.drain();
  return () => bench.dispose();
}, 60_000);

/** A recall with a fact, and what is then said to belong to it, in one transaction. */
async function stored(
  as: 'app' | 'owner',
  [fact, asked]: readonly [string, string],
  ...statements: readonly string[]
): Promise<string> {
  try {
    await bench.open(as).transaction(async (tx) => {
      await tx`
        insert into recalls (id, fact, asked, reason, actor)
        values (${id}, ${fact}, ${asked}, 'x', (select min(id) from actors))`;
      for (const statement of statements) await tx.unsafe(statement);
      throw Object.assign(new Error('rolled back'), { code: (await failsAtEnd(tx)) ?? 'stored' });
    });
    return 'committed';
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
}

async function failsAtEnd(tx: { unsafe(text: string): Promise<unknown> }): Promise<string | undefined> {
  try {
    await tx.unsafe('set constraints all immediate');
    return undefined;
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
}

const release = (version: number) =>
  `insert into recall_releases (recall, hook, version) values ('${id}', 'probe', ${version})`;
const commit = (name: string) => `insert into recall_commits (recall, commit) values ('${id}', '${name}')`;

test.each(['app', 'owner'] as const)('a recall names only what its fact selects, for the %s', async (as) => {
  expect(await stored(as, ['release', 'probe@1'], release(1))).toBe('stored');
  expect(await stored(as, ['release', 'probe@1'], release(1), release(2))).toBe('23514');
  expect(await stored(as, ['commits', 'a..b'], commit(commitOf('two')), release(2))).toBe('stored');
  expect(await stored(as, ['commits', 'a..b'], commit(commitOf('two')), release(1))).toBe('23514');
  expect(await stored(as, ['builder', 'admin'], release(1))).toBe('stored');
  expect(await stored(as, ['builder', 'somebody'], release(1))).toBe('23514');
  expect(await stored(as, ['digest', `sha256:${'0'.repeat(64)}`], release(1))).toBe('23514');
  expect(await stored(as, ['deploy', id], release(1))).toBe('23514');
  expect(await stored(as, ['release', 'probe@1'], commit(commitOf('two')))).toBe('42501');
});

test('a recall that selects nothing, has no reason or no fact cannot be stored', async () => {
  expect(await stored('app', ['release', 'probe@1'])).toBe('23514');
  expect(await stored('app', ['rumour', 'x'], release(1))).toBe('23514');
  const { sql } = bench.open('app');
  const empty = sql`
    insert into recalls (id, fact, asked, reason, actor) values (${id}, 'release', 'probe@1', ' ', 1)`;
  await expect(empty).rejects.toMatchObject({ code: '23514' });
});

test('commits do not join a recall later, and the application names no times', async () => {
  const recall = await opened(bench, { commits: [commitOf('one')] });
  const { sql } = bench.open('app');
  const later = sql`insert into recall_commits (recall, commit) values (${recall.id}, ${commitOf('two')})`;
  await expect(later).rejects.toMatchObject({ code: '42501' });
  const dated = sql`
    insert into recall_closings (recall, reason, actor, at) values (${recall.id}, 'x', 1, '2020-01-01')`;
  await expect(dated).rejects.toMatchObject({ code: '42501' });
});

test('a release that is made while a recall is being opened belongs to it', async () => {
  const two = commitOf('race');
  let deployed: Promise<unknown> = Promise.resolve();
  const recall = await bench.store.write(writer, async ({ recalls }) => {
    const commits = [commitOf('one'), two];
    const chosen = await recalls.select({ by: 'commits', commits }, 10);
    deployed = bench.deploy({ probe: { code: times(10), sourceRef: refOf(two) } });
    let isMade = false;
    deployed.then(() => {
      isMade = true;
    });
    await until('the release to be made, or to wait', async () => {
      const waiting = await bench.database.sql`
        select from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and not granted`;
      return isMade || waiting.length > 0;
    });
    const notice = { fact: 'commits', asked: 'a..b', commits, reason: 'x', advice: null } as const;
    return recalls.open(notice, chosen);
  });
  await deployed;
  const rows = await bench.database.sql`
    select t.version from recall_releases t join releases r on r.hook = t.hook and r.version = t.version
    where t.recall = ${recall.id} and r.source_ref = ${refOf(two)}`;
  expect(rows).toHaveLength(1);
});

test('without a recall, reading rows looks once for one and never at what it would name', async () => {
  const fresh = await coreArchive();
  try {
    await fresh.deploy({ probe: { code: times(1) } });
    await fresh.ingest(Array.from({ length: 200 }, (_, index) => record(`s${index}`, index)));
    await fresh.drain();
    const reader = fresh.open('app', { max: 1 });
    const named = ['recall_commits', 'recall_releases', 'recall_records', 'recall_closings'];
    const reads = () => tableReads(reader, ['recalls', ...named]);
    const store = postgresStore(reader, { domain: 'localhost' });
    const before = await reads();
    for (let round = 0; round < 8; round += 1) {
      const { rows } = await readRows(store, 'bench-record', 'probe', { limit: 200, history: false });
      expect(rows).toHaveLength(200);
    }
    const after = await reads();
    const looks = (name: string) => (after.get(name)?.looks ?? Number.NaN) - (before.get(name)?.looks ?? 0);
    expect(named.map(looks)).toEqual([0, 0, 0, 0]);
    expect(looks('recalls')).toBeLessThanOrEqual(8 * 2);
  } finally {
    await fresh.dispose();
  }
});

test.each([
  ['a repository without a remote', (commit: string) => `git:${commit}`],
  ['the SDK, shortened', (commit: string) => `git:${commit.slice(0, 7)}`],
  ['a dirty tree', (commit: string) => `git:${commit}-dirty`],
])('a recall of a commit selects a release whose source is of %s', async (name, refFor) => {
  const commit = commitOf(name);
  const before = await opened(bench, { commits: [commitOf('one'), commit] });
  const { version } = await releaseOf(refFor(commit));
  const after = await opened(bench, { commits: [commit] });
  for (const { id: recall } of [before, after]) expect(await versionsOf(recall)).toContain(version);
  expect(await versionsOf((await opened(bench, { commits: [commitOf('one')] })).id)).not.toContain(version);
});

test('the migration brings the releases of such sources to the recalls that are open', async () => {
  const text = (number: string) =>
    migrations.find((migration) => migration.name.startsWith(number))?.sql ?? '';
  const { sql } = bench.open('owner');
  const [old] = /create function names_commit[\s\S]*?\n\$\$;/.exec(text('0009')) ?? [];
  await sql.unsafe((old ?? '').replace('create function', 'create or replace function'));
  const commit = commitOf('missed');
  const recall = await opened(bench, { commits: [commitOf('one'), commit] });
  const { version } = await releaseOf(`git:${commit}`);
  expect(await versionsOf(recall.id)).not.toContain(version);
  await sql.unsafe(text('0022'));
  expect(await versionsOf(recall.id)).toContain(version);
});

let factor = 100;
async function releaseOf(sourceRef: string): Promise<{ version: number }> {
  factor += 1;
  await bench.deploy({ probe: { code: times(factor), sourceRef } });
  const [found] = await bench.database.sql<{ version: number }[]>`
    select version from releases where source_ref = ${sourceRef}`;
  return { version: found?.version ?? 0 };
}

async function versionsOf(recall: string): Promise<number[]> {
  const rows = await bench.database.sql<{ version: number }[]>`
    select version from recall_releases where recall = ${recall}`;
  return rows.map(({ version }) => version);
}
