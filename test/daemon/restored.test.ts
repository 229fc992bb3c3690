import { readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from '@osa/core/postgres/connection/connect';
import { checkArchive } from '@osa/daemon/upkeep/restored';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenIdProvider, openIdProvider } from '../publishers/openid.ts';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** `osad check --restored` names each blob that is missing or altered, and each history that is not what was written. */

let daemon: TestDaemon;
let owner: Database;
let blobs: string;
let ci: OpenIdProvider;
beforeAll(async () => {
  daemon = await testDaemon();
  owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  blobs = join(daemon.directory, 'data/blobs');
  await deployHook(daemon, hookCode('return { features: [{ value: metadata.value }] };'));
  await deployHook(daemon, hookCode('return { features: [{ value: metadata.value * 2 }] };'));
  await daemon.call('rollback', { params: { name: 'probe' }, json: {} });
  await daemon.send('POST', '/api/v1/hooks/probe/releases', {
    headers: { authorization: await daemon.bearer(['hooks:write']), 'content-type': 'application/json' },
    body: JSON.stringify({ config: { factor: 9 }, live: false, source_ref: 'git:0123456' }),
  });
  await send(5);
  await send(7);
  ci = await openIdProvider();
  const headers = { authorization: await daemon.bearer(['publishers:write', 'conventions:write']) };
  const rule = {
    issuer: ci.issuer,
    claims: { repository: 'acme/quakes' },
    scopes: ['conventions:write:tests'],
  };
  await daemon.call('addPublisher', { json: rule, headers });
  await daemon.call('exchangeToken', { json: { token: ci.token(ci.claims('https://localhost')) } });
}, 60_000);
afterAll(async () => {
  await daemon.close();
  await ci[Symbol.asyncDispose]();
});

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
    /read 2 blobs, 3 releases, 2 deploys, 12 records, 2 runs: every blob has its bytes/,
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
  [
    'a deploy of somebody else',
    'update deploys set actor = actor + 1 where changed',
    'update deploys set actor = actor - 1 where changed',
    /^deploys \S+: its actor is 2, and 1 in the trail$/,
  ],
  [
    'a deploy at another time',
    `update deploys set at = at - interval '1 day'`,
    `update deploys set at = at + interval '1 day'`,
    /^deploys \S+: its time is 20\S+ \S+, and 20\S+ \S+ in the trail$/,
  ],
  [
    'the claims of a job',
    `update exchanges set claims = jsonb_set(claims, '{repository}', '"mallory/x"')`,
    `update exchanges set claims = jsonb_set(claims, '{repository}', '"acme/quakes"')`,
    /^exchanges \S+: its claims is .+"mallory\/x".+, and .+"acme\/quakes".+ in the trail$/,
  ],
  [
    'an exchange that is gone',
    'create table kept as select * from exchanges; delete from exchanges',
    'insert into exchanges select * from kept; drop table kept',
    /^exchanges \S+: the trail has it, and it is not there$/,
  ],
  [
    'the reason of a rollback',
    `update live_changes set reason = 'another one' where seq = 3`,
    'update live_changes set reason = null where seq = 3',
    /^live_changes probe #3: its reason is another one, and - in the trail$/,
  ],
  [
    'a rollback by somebody else',
    'update live_changes set actor = actor + 1 where seq = 3',
    'update live_changes set actor = actor - 1 where seq = 3',
    /^live_changes probe #3: its actor is 2, and 1 in the trail$/,
  ],
  [
    'a move of a deploy by somebody else',
    'update live_changes set actor = actor + 1 where seq = 2',
    'update live_changes set actor = actor - 1 where seq = 2',
    /^live_changes probe #2: neither the trail nor a deploy has a move to v2 of this kind by actor 2$/,
  ],
  [
    'a release of a deploy by somebody else',
    'update releases set built_by = built_by + 1 where version = 2',
    'update releases set built_by = built_by - 1 where version = 2',
    /^releases probe v2: neither the trail nor a deploy has it as built by actor 2$/,
  ],
  [
    'a release without a deploy by somebody else',
    'update releases set built_by = built_by + 1 where version = 3',
    'update releases set built_by = built_by - 1 where version = 3',
    /^releases probe v3: neither the trail nor a deploy has it as built by actor 2$/,
  ],
  [
    'the source of a release',
    `update releases set source_ref = 'x' || source_ref where version = 1`,
    'update releases set source_ref = substr(source_ref, 2) where version = 1',
    /^releases probe v1: its source is x\S+, and \S+ in the manifest of deploy \S+$/,
  ],
  [
    'a run that passed as failed',
    `update runs set status = 'failed'`,
    `update runs set status = 'passed'`,
    /^runs \S+: it is failed, and its outcomes are not those of such a run$/,
  ],
  [
    'a run whose code failed as passed',
    'update attempts set exit_code = 1',
    'update attempts set exit_code = 0',
    /^runs \S+: it is passed, and no attempt of it came to an answer$/,
  ],
  [
    'an outcome that did not pass, of a published record',
    `create table kept as select id, row_count from outcomes;
     update outcomes set status = 'rejected', reason = 'bad', row_count = 0 where id = 1`,
    `update outcomes o set status = 'passed', reason = null, row_count = k.row_count from kept k where k.id = o.id;
     drop table kept`,
    /^outcomes of record r\d in batch \S+: the record is published, and 0 of its 1 outcomes have passed$/,
  ],
  [
    'the digest of an output that was replayed',
    `insert into replay_certificates
       (part, run, verdict, engine, architecture, resolved_digest, stored_digest, made_digest)
     select gen_random_uuid(), id, 'identical', 'e', 'a', 'd', output_digest, output_digest from runs;
     update runs set output_digest = reverse(output_digest)`,
    'update runs set output_digest = reverse(output_digest); delete from replay_certificates',
    /^runs \S+: its output has the digest [0-9a-f]{64}, and had [0-9a-f]{64} when it was replayed$/,
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
