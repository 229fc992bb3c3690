import { replayQueue } from '@osa/core/postgres/recompute/replay/queue';
import { replay } from '@osa/core/recompute/replay/replay';
import type { HeldPart } from '@osa/core/recompute/replay/replays';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { type AttackedDatabase, expectRefused, rehearse } from '../support/database/sql-attack.ts';

/** Nothing but a certificate can come of a replay, and a certificate says nothing that did not happen: the database proves both. */

let bench: CoreArchive;
let a: AttackedDatabase;
let held: HeldPart;
let run: string;
let waiting: string;
let other: string;

beforeAll(async () => {
  bench = await coreArchive();
  a = { app: bench.database, owner: bench.open('owner') } as AttackedDatabase;
  await bench.deploy({
    other: { code: hookCode('return { features: [{ value: 0 }] }') },
    probe: { code: hookCode('return { features: [{ value: metadata.value }] }') },
  });
  await bench.ingest([record('a', 1), record('b', 2)]);
  await bench.drain();
  const runs = await bench.database.sql<{ id: string; hook: string }[]>`select id, hook from runs`;
  run = runs.find(({ hook }) => hook === 'probe')?.id ?? '';
  other = runs.find(({ hook }) => hook === 'other')?.id ?? '';
  await replay(bench.store, { principal: admin }, { run });
  const queue = replayQueue(bench.database);
  const claimed = await queue.claim({ name: 'worker', leaseMs: 600_000, runtimes: ['directory'] });
  if (!claimed) throw new Error('nothing was claimed');
  held = claimed;
  await replay(bench.store, { principal: admin }, { run });
  const [part] = await bench.database.sql<
    { id: string }[]
  >`select id from replay_parts where status = 'queued'`;
  waiting = part?.id ?? '';
});
afterAll(() => bench.dispose());

const named = (statements: string) =>
  statements
    .replaceAll('$held', `'${held.batch}'`)
    .replaceAll('$waiting', `'${waiting}'`)
    .replaceAll('$digest', `'${held.release.digest}'`)
    .replaceAll('$output', `'${held.outputDigest}'`)
    .replaceAll('$run', `'${run}'`)
    .replaceAll('$other', `'${other}'`);

const end =
  "update replay_parts set status = 'done', lease_until = null, finished_at = clock_timestamp() where id = $held";

interface Certified {
  readonly part?: string;
  readonly run?: string;
  readonly outcomes?: string;
  readonly verdict?: string;
  readonly reason?: string;
  readonly resolved?: string;
  readonly stored?: string;
  readonly made?: string;
}

const digest = `repeat('a', 64)`;

function certify({
  part = '$held',
  run: of = '$run',
  outcomes = 'select outcome from replay_outcomes where part = $held',
  verdict = 'identical',
  reason = 'null',
  resolved = '$digest',
  stored = digest,
  made = stored,
}: Certified = {}): string {
  return `insert into replay_certificates (part, run, outcome, verdict, reason, engine, architecture, resolved_digest,
      stored_digest, made_digest)
    select ${part}, ${of}, w.outcome, '${verdict}', ${reason}, 'podman', 'amd64', ${resolved}, ${stored}, ${made}
    from (${outcomes}) w`;
}

const whole = (given: Certified = {}) =>
  certify({ outcomes: 'select null::bigint as outcome', stored: '$output', ...given });
const honest = [end, certify(), whole()].join(';');

test('the honest end passes', async () => {
  expect(await rehearse(a.app, named(honest))).toBe('done');
});

test.each([
  ['no certificate', end],
  ['none of the run', [end, certify()].join(';')],
  [
    'none of a result',
    [
      end,
      certify({ outcomes: 'select outcome from replay_outcomes where part = $held limit 1' }),
      whole(),
    ].join(';'),
  ],
  ['certificates before the end', [certify(), end, whole()].join(';')],
  ['certificates without an end', [certify(), whole()].join(';')],
  [
    'certificates of another part',
    [
      end,
      certify({ part: '$waiting', outcomes: 'select outcome from replay_outcomes where part = $waiting' }),
    ].join(';'),
  ],
  ['other code', [end, certify({ resolved: `'sha256:' || ${digest}` }), whole()].join(';')],
  ['another output of the run', [end, certify(), whole({ stored: digest })].join(';')],
  ['the other run', [end, certify({ run: '$other' }), whole()].join(';')],
  [
    'a result of the other run',
    [end, certify({ outcomes: 'select id as outcome from outcomes where run = $other' }), whole()].join(';'),
  ],
] as const)('an end is refused with %s', async (_what, statements) => {
  expect(await rehearse(a.app, named(statements))).toBe('23503');
});

test.each([
  ['identical with two digests', { made: `repeat('b', 64)` }],
  ['identical without a digest', { stored: 'null' }],
  ['differs with one digest', { verdict: 'differs' }],
  ['cannot with a digest', { verdict: 'cannot', reason: "'gone'" }],
  ['cannot without a reason', { verdict: 'cannot', made: 'null' }],
  ['a verdict without what ran', { resolved: 'null' }],
] as const)('a certificate does not say %s', async (_what, given) => {
  expect(['23514', '23503']).toContain(
    await rehearse(a.app, named([end, certify(given), whole()].join(';'))),
  );
});

test('a result has one certificate of a part', async () => {
  expect(await rehearse(a.app, named([honest, certify()].join(';')))).toBe('23505');
  expect(await rehearse(a.app, named([honest, whole()].join(';')))).toBe('23505');
});

test.each([
  'update replay_certificates set verdict = verdict',
  'delete from replay_certificates',
  'truncate replay_certificates',
  'update replays set reason = null',
  'delete from replay_parts where id = $waiting',
  'delete from replay_outcomes',
  'update replay_parts set run = $other where id = $waiting',
  'update replay_parts set whole = false where id = $held',
  'update replay_parts set fence = fence - 1 where id = $held',
  'update replay_parts set fence = fence + 2 where id = $held',
])('history only grows, for the owner too: %s', async (statement) => {
  await expectRefused(a, 'app', ['42501'], named(statement));
  await expectRefused(a, 'owner', ['42501'], named(statement));
});

const without = (status: string, reason: string) =>
  `update replay_parts set status = '${status}', lease_until = null, finished_at = clock_timestamp(), reason = ${reason} where id = $held`;

test.each(['failed', 'cancelled'])(
  'a part that is %s says why, has no certificate, and stays so',
  async (status) => {
    expect(await rehearse(a.app, named(without(status, "'why'")))).toBe('done');
    expect(await rehearse(a.app, named(without(status, 'null')))).toBe('23514');
    expect(await rehearse(a.app, named([without(status, "'why'"), certify()].join(';')))).toBe('23503');
    expect(await rehearse(a.app, named([without(status, "'why'"), end].join(';')))).toBe('42501');
    expect(await rehearse(a.app, named([honest, without(status, "'why'")].join(';')))).toBe('42501');
  },
);

test.each([
  [
    'a part that nobody has claimed ends',
    "update replay_parts set status = 'done', finished_at = now() where id = $waiting",
  ],
  [
    'a time is forged',
    `insert into replay_certificates (part, run, verdict, at) values ($held, $run, 'cannot', now())`,
  ],
])('%s: refused', async (_what, statement) => {
  await expectRefused(a, 'app', ['42501'], named(statement));
});

test.each([
  [
    'an unpublished or foreign result',
    'insert into replay_outcomes (part, outcome) select $waiting, id from outcomes where run = $other limit 1',
  ],
  [
    'one more result later',
    'insert into replay_outcomes (part, outcome) select $waiting, id from outcomes where run = $run limit 1 on conflict do nothing; insert into replay_outcomes (part, outcome) select $held, id from outcomes where run = $other',
  ],
])('a part does not take %s', async (_what, statement) => {
  await expectRefused(a, 'app', ['23503', '42501', '23505'], named(statement));
});

test.each([
  [
    'an outcome',
    `insert into outcomes (run, batch, hook, batch_record, attempt, status, row_count)
    select run, batch, hook, batch_record, attempt, status, row_count from outcomes where run = $run`,
  ],
  [
    'an outcome of the part',
    `insert into outcomes (run, batch, hook, batch_record, attempt, status, row_count)
    select $held, $held, hook, batch_record, 1, 'passed', 1 from outcomes where run = $run`,
  ],
  [
    'a run of the part',
    "insert into runs (id, batch, hook, version) values (gen_random_uuid(), $held, 'probe', 1)",
  ],
  [
    'an attempt of the run',
    "insert into attempts (run, n, fence, memory_bytes, runner) values ($run, 2, 1, 1, 'process')",
  ],
  [
    'a row',
    `insert into features.probe (outcome_id, run_id, ordinal, value)
    select id, run, 1, 9 from outcomes where run = $run`,
  ],
  [
    'a row of the part',
    `insert into features.probe (outcome_id, run_id, ordinal, value)
    select outcome, $held, 0, 9 from replay_outcomes where part = $held`,
  ],
  ['a value', 'update features.probe set value = 9'],
  ['a supersession', 'update outcomes set superseded_by = id + 1 where run = $run'],
  ['a move of the pointer', "update hooks set live_version = null where name = 'probe'"],
])('the holder of a part cannot make %s', async (_what, statements) => {
  await expectRefused(
    a,
    'app',
    ['42501', '23503', '23505', '23514', '23001'],
    named(`${honest}; ${statements}`),
  );
});
