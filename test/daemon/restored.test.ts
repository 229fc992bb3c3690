import { readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from '@osa/core/postgres/connection/connect';
import { checkArchive } from '@osa/daemon/upkeep/restored';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** `osad check --restored` names each blob that is missing or altered, and each history that is not what was written. */

let daemon: TestDaemon;
let owner: Database;
let blobs: string;
beforeAll(async () => {
  daemon = await testDaemon();
  owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  blobs = join(daemon.directory, 'data/blobs');
  await deployHook(daemon, hookCode('return { features: [{ value: metadata.value }] };'));
  await deployHook(daemon, hookCode('return { features: [{ value: metadata.value * 2 }] };'));
  await daemon.call('rollback', { params: { name: 'probe' }, json: {} });
  await send(5);
  await send(7);
}, 60_000);
afterAll(() => daemon.close());

async function send(count: number): Promise<void> {
  const body = ndjson(count).replaceAll('"value":', `"value":${count}`);
  const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body });
  await until('the ingestion to end', async () => {
    const { open } = await owner.sql<{ open: string }[]>`
      select count(*) as open from batches where ingestion = ${id} and finished_at is null`.then(
      ([row]) => row ?? { open: '' },
    );
    return open === '0' ? true : undefined;
  });
}

const place = () => ({ environment: {}, config: undefined, data: join(daemon.directory, 'data') });

async function check() {
  const url = daemon.database.ownerUrl;
  const { text, ok } = await checkArchive({ ...place(), url, json: false });
  return { ok, lines: text.trimEnd().split('\n') };
}

/** The owner of a database can get past triggers; this is what somebody above the rules does. */
async function alter(statement: string): Promise<void> {
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx.unsafe(statement);
  });
}

test('an archive that nobody has touched is whole', async () => {
  const { ok, lines } = await check();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /read 2 blobs, 2 releases, 2 deploys, 12 records, 2 runs: every blob has its bytes/,
  );
  expect(ok).toBe(true);
});

test('as the application role it reads the same, and changes nothing', async () => {
  const { ok } = await checkArchive({ ...place(), url: daemon.database.appUrl, json: true });
  expect(ok).toBe(true);
});

const alterations: readonly (readonly [string, string, string, RegExp])[] = [
  [
    'a release with another config',
    `update releases set config = '{"factor": 3}' where version = 1`,
    `update releases set config = '{}' where version = 1`,
    /^releases probe v1: its digest, command, config or limits/,
  ],
  [
    'a move of the pointer',
    'update live_changes set from_version = 3 where seq = 3',
    'update live_changes set from_version = 2 where seq = 3',
    /^live_changes probe #3: it moves the pointer from v3, and the change before it is #2, to v2/,
  ],
  [
    'a pointer without a move',
    'update hooks set live_version = 2',
    'update hooks set live_version = 1',
    /^hooks probe: v2 is live by change #3, and its last change is #3, to v1/,
  ],
  [
    'a manifest',
    `update deploys set manifest = jsonb_set(manifest, '{title}', '"Others"') where changed`,
    `update deploys set manifest = jsonb_set(manifest, '{title}', '"Tests"') where changed`,
    /^deploys \S+ of tests: its manifest/,
  ],
  [
    'the metadata of one record',
    `update batch_records set metadata = '{"value":99}' where source_id = 'r6'`,
    `update batch_records set metadata = '{"value":76}' where source_id = 'r6'`,
    /^batch_records r6 of tests, line 7 of ingestion \S+: its metadata/,
  ],
  [
    'a version that is gone',
    'update records set version = version + 1 where version = 2',
    'update records set version = version - 1 where version = 3',
    /^records \S+@3: the version before it is 1/,
  ],
  [
    'a row of a hook that is gone',
    'create table kept as select * from features.probe where id = 1; delete from features.probe where id = 1',
    'insert into features.probe overriding system value select * from kept; drop table kept',
    /^features.probe outcome \d+: 1 rows are counted, and 0 are there/,
  ],
  [
    'an attempt that ran something else',
    `update attempts set resolved_digest = 'sha256:' || repeat('0', 64) where run = (select min(run::text)::uuid from attempts)`,
    'update attempts a set resolved_digest = l.digest from runs r, releases l where r.id = a.run and (l.hook, l.version) = (r.hook, r.version)',
    /^outcomes \d+: attempt 1 of run \S+ did not run the digest of probe v1/,
  ],
  [
    'somebody who is gone',
    'update deploys set actor = 77 where actor = 1',
    'update deploys set actor = 1',
    /^deploys 77: it names actor that actors does not have/,
  ],
  [
    'the batch of a recompute that is gone',
    `insert into recompute_records (batch, source_id) select '00000000-0000-4000-8000-00000000000a', 'r' || n from generate_series(1, 3) n`,
    'delete from recompute_records',
    /^recompute_records 00000000-0000-4000-8000-00000000000a: it is the batch of 3 records, and is not there/,
  ],
  [
    'a trigger that is off',
    'alter table releases disable trigger no_rewrite',
    'alter table releases enable trigger no_rewrite',
    /^triggers releases: its trigger no_rewrite is off/,
  ],
];

test.each(alterations)('%s is named', async (_name, statement, undo, expected) => {
  await alter(statement);
  const { ok, lines } = await check();
  await alter(undo);
  expect(
    lines.filter((line) => expected.test(line)),
    lines.join('\n'),
  ).not.toEqual([]);
  expect(ok).toBe(false);
  expect((await check()).lines.slice(0, -1)).toEqual([]);
});

test('a blob that is missing and one that is damaged are named with their release', async () => {
  const files = (await readdir(blobs, { recursive: true })).filter((name) => /\/[0-9a-f]{62}$/.test(name));
  const [first = '', second = ''] = files;
  expect(files).toHaveLength(2);
  await rm(join(blobs, first));
  await writeFile(join(blobs, second), 'damaged');
  const { ok, lines } = await check();
  const named = (file: string) =>
    lines.find((line) => line.includes(`sha256:${file.replace('/', '')} (the code of probe v`));
  expect(named(first)).toMatch(/it is not in the store$/);
  expect(named(second)).toMatch(/damaged in the store: its bytes hash to sha256:41f0c27c/);
  expect(ok).toBe(false);
  await truncate(join(blobs, second));
  expect((await stat(join(blobs, second))).size).toBe(0);
  expect((await check()).lines.find((line) => line.includes(second.replace('/', '')))).toMatch(
    /damaged in the store: its bytes hash to sha256:e3b0c442/,
  );
});
