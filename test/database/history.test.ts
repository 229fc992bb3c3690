import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attackedDatabase, expectRefused, rehearse } from '../support/database/sql-attack.ts';

/** History only grows: triggers refuse even the owner, and what may change once changes exactly once. */

let a: Awaited<ReturnType<typeof attackedDatabase>>;
beforeAll(async () => {
  a = await attackedDatabase();
});
afterAll(() => a.close());

const refuses = (role: 'app' | 'owner', code: string, statements: string) =>
  expectRefused(a, role, [code], statements);

const appendOnly = {
  actors: 'subject',
  schema_owners: 'owner',
  schemas: 'fields',
  deploys: 'manifest',
  releases: 'digest',
  release_sources: 'source_ref',
  live_changes: 'reason',
  files: 'size',
  batch_gates: 'predecessor',
  record_sets: 'domain',
  records: 'version',
  recalls: 'reason',
  recall_commits: 'commit',
  recall_releases: 'hook',
  recall_records: 'recall',
  recall_closings: 'reason',
  events: 'payload',
  'features.energy': 'value',
};

describe.each(Object.entries(appendOnly))('db-02: the owner and %s', (table, column) => {
  test.each([
    `update ${table} set ${column} = ${column}`,
    `update ${table} set ${column} = null where false`,
    `delete from ${table}`,
    `delete from only ${table} where false`,
    `truncate ${table} restart identity cascade`,
    `with gone as (delete from ${table} returning *) select count(*) from gone`,
    `merge into ${table} t using (select 1) s on true when matched then update set ${column} = null`,
    `merge into ${table} t using (select 1) s on true when matched then delete`,
  ])('%s', async (statement) => {
    await refuses('owner', '42501', statement);
  });
});

test.each([
  "insert into live_changes (hook, seq, from_version, to_version, kind, actor) values ('energy', 3, 2, 1, 'rollback', 1) on conflict (hook, seq) do update set reason = 'forged'",
  'insert into records select * from records on conflict (batch_record) do update set published_at = now()',
  'insert into features.energy (outcome_id, run_id, ordinal, value) select outcome_id, run_id, ordinal, 9 from features.energy on conflict (outcome_id, ordinal) do update set value = 9',
])('db-02: for the owner, too, an insert does not turn into an update: %s', async (statement) => {
  await refuses('owner', '42501', statement);
});

test.each([
  ...['conventions', 'hooks', 'ingestions', 'batches', 'batch_records'],
  ...['runs', 'attempts', 'outcomes', 'sources'],
  ...['recomputes', 'recompute_walks', 'recompute_records'],
])('db-02: the owner deletes nothing of %s', async (table) => {
  await refuses('owner', '42501', `delete from ${table}`);
  await refuses('owner', '42501', `truncate ${table} cascade`);
  await refuses('owner', '42501', `merge into ${table} using (select 1) s on true when matched then delete`);
});

/** `$done`, `$again`, `$held` and `$queued` stand for the batches. */
const named = (statement: string) =>
  statement
    .replaceAll('$done', `'${a.done.batch}'`)
    .replaceAll('$again', `'${a.again.batch}'`)
    .replaceAll('$held', `'${a.held.batch}'`)
    .replaceAll('$queued', `'${a.queued}'`);
const of = (batch: string) => `(select id from runs where batch = ${batch})`;
const newer = (hook: string) => `(select o.id from outcomes o where o.batch = $again and o.hook = '${hook}')`;
const older = (source: string) =>
  `hook = 'energy' and batch_record = (select id from batch_records where batch = $done and source_id = '${source}')`;

const accepted: readonly string[] = [
  "update runs set status = 'error', reason = 'x', finished_at = now() where batch = $held",
  "update batch_records set status = 'errored', reason = 'x' where batch = $held and source_id = 'one'",
  'update batches set rejected = rejected - 1, retried = retried + 1 where id = $done',
  'update batches set fence = fence + 1, claimed_by = $held where id = $held',
  "update batches set status = 'queued', lease_until = null, claimed_by = null where id = $held",
];

const refused: readonly (readonly [string, string, string])[] = [
  ['a run ends twice', '42501', "update runs set status = 'failed', finished_at = now() where batch = $done"],
  ['a run that passed gets a reason', '42501', "update runs set reason = 'x' where batch = $done"],
  ['a run gets another digest', '42501', "update runs set output_digest = 'x' where batch = $done"],
  ['a run counts other rows', '42501', 'update runs set row_count = 7 where batch = $done'],
  ['a run is written anew', '42501', 'update runs set reason = reason where batch = $done'],
  ['a run is taken back', '42501', 'update runs set status = null, finished_at = null where batch = $done'],
  ['a run is half ended', '42501', 'update runs set started_at = now() where batch = $held'],
  ['a run ends without saying how', '23514', 'update runs set finished_at = now() where batch = $held'],
  [
    'an attempt ends twice',
    '42501',
    `update attempts set ending = 'timeout', finished_at = now() where run in ${of('$held')}`,
  ],
  ['an attempt gets a log', '42501', `update attempts set log = 'x' where run in ${of('$done')}`],
  [
    'an attempt ran something else',
    '42501',
    `update attempts set resolved_digest = null where run in ${of('$done')}`,
  ],
  ['an attempt is written anew', '42501', `update attempts set detail = detail where run in ${of('$done')}`],
  ['an outcome is written anew', '42501', 'update outcomes set superseded_by = superseded_by'],
  [
    'an outcome gives way to one that no recompute made',
    '23503',
    `update outcomes set superseded_by = ${newer('energy')} where ${older('passed')}`,
  ],
  ['an outcome gives way to itself', '23514', 'update outcomes set superseded_by = id'],
  [
    'an outcome gives way to an older one',
    '23514',
    `update outcomes set superseded_by = (select min(id) from outcomes where hook = 'energy')
    where id = ${newer('energy')}`,
  ],
  [
    'an outcome gives way to another hook’s',
    '23503',
    `update outcomes set superseded_by = ${newer('radius')} where ${older('passed')}`,
  ],
  [
    'an outcome gives way to another source’s',
    '23503',
    `update outcomes set superseded_by = ${newer('energy')} where ${older('same')}`,
  ],
  [
    'an outcome gives way to one that is not there',
    '23503',
    `update outcomes set superseded_by = 999999999 where ${older('passed')}`,
  ],
  ['a fence is lowered', '42501', 'update batches set fence = fence - 1 where id = $held'],
  ['a fence jumps', '42501', 'update batches set fence = fence + 2 where id = $held'],
  [
    'a batch changes hands under the same fence',
    '42501',
    "update batches set claimed_by = 'thief' where id = $held",
  ],
  [
    'a batch is taken under the same fence',
    '42501',
    `update batches set status = 'queued', lease_until = null where id = $held;
    update batches set status = 'running', lease_until = now() where id = $held`,
  ],
  ['a snapshot is taken again', '42501', 'update batches set snapshot_at = now() where id = $held'],
  [
    'a snapshot is forgotten',
    '42501',
    "update batches set snapshot_at = null, status = 'queued', lease_until = null where id = $held",
  ],
  ['a snapshot without its runs', '23503', 'update batches set snapshot_at = now() where id = $queued'],
  [
    'a batch runs without a snapshot',
    '23514',
    "update batches set status = 'running', fence = 1, lease_until = now() where id = $queued",
  ],
  [
    'a batch is done without a snapshot',
    '23514',
    "update batches set status = 'done', finished_at = now() where id = $queued",
  ],
  ['a batch runs without a lease', '23514', 'update batches set lease_until = null where id = $held'],
  [
    'an ended batch is queued again',
    '42501',
    "update batches set status = 'queued', finished_at = null where id = $done",
  ],
  ['an ended batch fails', '42501', "update batches set status = 'failed' where id = $done"],
  ['an ended batch counts more', '42501', 'update batches set published = published + 1 where id = $done'],
  ['an ended batch counts other rows', '42501', 'update batches set rows = 0 where id = $done'],
  [
    'an ended batch forgets what failed',
    '42501',
    'update batches set rejected = rejected - 1 where id = $done',
  ],
  ['an ended batch gets another fence', '42501', 'update batches set fence = fence + 1 where id = $done'],
  ['a batch counts less than nothing', '23514', 'update batches set errored = -1 where id = $held'],
  [
    'a published record fails afterwards',
    '42501',
    "update batch_records set status = 'errored', record = null where batch = $done and source_id = 'same'",
  ],
  [
    'a rejected record gets another reason',
    '42501',
    "update batch_records set reason = 'x' where batch = $done and source_id = 'rejected'",
  ],
  [
    'a record opens again',
    '42501',
    "update batch_records set status = 'pending', reason = null where batch = $done and source_id = 'rejected'",
  ],
  [
    'a record is retried in a batch without it',
    '23503',
    "update batch_records set retried_in = $again where batch = $done and source_id = 'rejected'",
  ],
  [
    'a published record is retried',
    '23514',
    "update batch_records set retried_in = $again where batch = $done and source_id = 'passed'",
  ],
];

const refusedToTheOwner: readonly (readonly [string, string, string])[] = [
  [
    'a run gets another release',
    '42501',
    "update runs set version = 2 where batch = $held and hook = 'energy'",
  ],
  [
    'a run gets another hook',
    '42501',
    "update runs set status = 'passed', finished_at = now(), hook = 'radius' where batch = $held and hook = 'energy'",
  ],
  ['a run gets another name', '42501', 'update runs set id = gen_random_uuid() where batch = $held'],
  ['an attempt gets another fence', '42501', 'update attempts set fence = 9'],
  [
    'an attempt goes to another run',
    '42501',
    'update attempts set run = (select min(run::text)::uuid from attempts), n = n + 5',
  ],
  [
    'an outcome passes after all',
    '42501',
    "update outcomes set status = 'passed', reason = null where status = 'rejected'",
  ],
  ['an outcome goes to another run', '42501', 'update outcomes set run = run'],
  ['an outcome gets another number', '42501', 'update outcomes set id = default'],
  ['what came in changes', '42501', "update batch_records set metadata = '{}' where batch = $held"],
  [
    'what came in gets another digest',
    '42501',
    "update batch_records set content_digest = sha256('x') where batch = $held",
  ],
  [
    'what came in moves to another batch',
    '42501',
    'update batch_records set batch = $queued where batch = $held',
  ],
  [
    'a batch goes to another ingestion',
    '42501',
    'update batches set ingestion = (select ingestion from batches where id = $done) where id = $held',
  ],
  ['a source gets another record', '42501', 'update sources set record_id = gen_random_uuid()'],
  ['a batch gets another number', '42501', 'update batches set index = 7 where id = $held'],
];

describe.each(['app', 'owner'] as const)('as the %s', (role) => {
  test.each(accepted)('accepted: %s', async (statement) => {
    expect(await rehearse(a[role], named(statement))).toBe('done');
  });

  const attacks = role === 'owner' ? [...refused, ...refusedToTheOwner] : refused;
  test.each(attacks)('%s: %s', async (_, code, statement) => {
    await refuses(role, code, named(statement));
  });
});
