import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  commit,
  named,
  outcomes,
  rows,
  type Step,
  startAttempt,
  steps,
} from '../support/database/commit-by-hand.ts';
import {
  attack,
  attackAtOnce,
  attackedDatabase,
  expectRefused,
  rehearse,
} from '../support/database/sql-attack.ts';

/**
 * The writes of a worker when its hooks have answered: the database proves each step of the commit, so that no
 * row, outcome or record comes without the run, attempt and batch that made it.
 */

let a: Awaited<ReturnType<typeof attackedDatabase>>;
beforeAll(async () => {
  a = await attackedDatabase();
});
afterAll(() => a.close());

const refuses = (code: string, statements: string) => expectRefused(a, 'app', [code], statements);

test('the honest commit is accepted', async () => {
  expect(await rehearse(a.app, commit(a))).toBe('done');
});

const one = (status: string) =>
  `(one, ${status}), (two, 'passed', null, 0, 1), (passed, 'passed', null, 0, 1)`;

test.each<readonly [string, string, Partial<Record<Step, string>>]>([
  ['while the batch is not done', '23503', { batch: '', publish: '', others: '' }],
  ['while its run has not ended', '23503', { runs: '' }],
  [
    'under a run that failed',
    '23503',
    { runs: "update runs set status = 'failed', finished_at = now() where batch = $held" },
  ],
  ['that passed without an attempt', '23514', { radius: outcomes('radius', one("'passed', null, 2, null")) }],
  [
    'that was rejected without an attempt',
    '23514',
    { radius: outcomes('radius', one("'rejected', 'no', 0, null")) },
  ],
  ['of an attempt that is not there', '23503', { radius: outcomes('radius', one("'passed', null, 2, 9")) }],
  ['that passed and has a reason', '23514', { radius: outcomes('radius', one("'passed', 'no', 2, 1")) }],
  [
    'that was rejected without a reason',
    '23514',
    { radius: outcomes('radius', one("'rejected', null, 0, 1")) },
  ],
  ['that was rejected and has rows', '23514', { radius: outcomes('radius', one("'rejected', 'no', 2, 1")) }],
  [
    'twice for one record',
    '23505',
    { radius: `${steps.radius}; ${outcomes('radius', "(one, 'passed', null, 2, 1)")}` },
  ],
  [
    'for a record that was unchanged',
    '23503',
    { radius: outcomes('radius', "(same, 'passed', null, 0, 1)") },
  ],
  [
    'for a record of another batch',
    '23503',
    { radius: steps.radius.replace('b.batch = $held', 'b.batch = $done') },
  ],
  [
    'of a run of another batch',
    '23503',
    { radius: steps.radius.replace('r.batch = $held', 'r.batch = $done') },
  ],
  ['of another hook', '23503', { radius: steps.radius.replace('r.hook, b.id', "'energy', b.id") }],
  ['after the record has ended', '23503', { radius: `${steps.others}; ${steps.radius}` }],
])('no outcome %s: %s', async (_, code, changed) => {
  expect(await attackAtOnce(a.app, commit(a, changed))).toBe(code);
  await refuses(code, commit(a, changed));
});

const passedIn = (batch: string) =>
  `hook = 'radius' and batch = ${batch} and batch_record = (
    select b.id from batch_records b where b.batch = ${batch} and b.source_id = 'passed')`;
/** Writes an old outcome anew, as far as that is possible. */
const superseding = `update outcomes set superseded_by = (select id from outcomes where ${passedIn('$held')})
  where ${passedIn('$done')}`;

test.each<readonly [string, string, Partial<Record<Step, string>>]>([
  ['of no run', '23503', { energyRows: steps.energyRows.replace('o.run,', 'gen_random_uuid(),') }],
  ['of nothing', '23502', { energyRows: steps.energyRows.replace('o.run,', 'null,') }],
  ['of no outcome', '23503', { energyRows: steps.energyRows.replace('select o.id', 'select 999999999') }],
  [
    'of the other hook’s run',
    '23503',
    {
      energyRows: steps.energyRows.replace(
        'o.run,',
        "(select id from runs where batch = $held and hook = 'radius'),",
      ),
    },
  ],
  [
    'in the other hook’s table',
    '23503',
    { energyRows: rows('energy', 'one', '(0)').replace('features.energy', 'features.radius') },
  ],
  ['of a rejected outcome', '23503', { radiusRows: rows('radius', 'two', '(0)') }],
  ['beyond those that the outcome counts', '23503', { radiusRows: rows('radius', 'one', '(0), (1), (2)') }],
  ['of an outcome that counts none', '23503', { radiusRows: rows('radius', 'passed', '(0)') }],
  ['twice in one place', '23505', { radiusRows: rows('radius', 'one', '(0), (0)') }],
  ['before the first', '23514', { radiusRows: rows('radius', 'one', '(-1)') }],
  ['a second one, where one is declared', '23514', { energyRows: rows('energy', 'one', '(1)') }],
  [
    'of an older batch',
    '23503',
    { radiusRows: rows('radius', 'same', '(1)').replace('o.batch = $held', 'o.batch = $done') },
  ],
  [
    'of an older batch, whose outcome gives way in the same transaction',
    '23503',
    {
      radiusRows: `${superseding}; ${rows('radius', 'passed', '(1)').replace('o.batch = $held', 'o.batch = $done')}`,
    },
  ],
])('db-08: no row %s: %s', async (_, code, changed) => {
  expect(await attackAtOnce(a.app, commit(a, changed))).toBe(code);
  await refuses(code, commit(a, changed));
});

test('db-09: an attempt that ended badly, ran something else or had an older fence answers nothing', async () => {
  const second = (end: string) =>
    named(a, `${startAttempt('$held', 2)}; update attempts set finished_at = now(), ${end} where n = 2`);
  const digest = "resolved_digest = 'sha256:' || repeat('a', 64)";
  const answers = commit(a, { energy: steps.energy.replaceAll(', 1, 1)', ', 1, 2)') });
  expect(await rehearse(a.app, `${second(`ending = 'exited', exit_code = 0, ${digest}`)}; ${answers}`)).toBe(
    'done',
  );
  for (const end of [
    `ending = 'exited', exit_code = 1, ${digest}`,
    `ending = 'out_of_memory', exit_code = 0, ${digest}`,
    `ending = 'timeout', exit_code = 0, ${digest}`,
    "ending = 'exited', exit_code = 0, resolved_digest = 'sha256:' || repeat('b', 64)",
    "ending = 'exited', exit_code = 0",
  ]) {
    await refuses('23503', `${second(end)}; ${answers}`);
  }
  const takenOver = named(a, 'update batches set fence = fence + 1 where id = $held');
  await refuses('23503', `${takenOver}; ${commit(a)}`);
});

test.each<readonly [string, Partial<Record<Step, string>>]>([
  ['with a record that is open', { others: '' }],
  [
    'with a record that is errored and not counted',
    { others: steps.others.replace("'rejected', reason", "'errored', reason") },
  ],
  ['with more published than there are', { batch: steps.batch.replace('published = 2', 'published = 3') }],
  ['with fewer rejected than there are', { batch: steps.batch.replace(', rejected = 1', '') }],
  ['with other rows than its runs', { batch: steps.batch.replace('rows = 5', 'rows = 6') }],
  [
    'with a run that counts other rows',
    { runs: steps.runs.replace('else 2', 'else 3'), batch: steps.batch.replace('rows = 5', 'rows = 6') },
  ],
  [
    'with a run that lacks an outcome',
    { radius: outcomes('radius', "(one, 'passed', null, 2, 1), (passed, 'passed', null, 0, 1)") },
  ],
  [
    'with a run that is open',
    {
      runs: `${steps.runs} and hook = 'energy'`,
      batch: steps.batch
        .replace('published = 2, rejected = 1', 'rejected = 3')
        .replace('rows = 5', 'rows = 3'),
      radius: '',
      radiusRows: '',
      publish: '',
      others: steps.others.replace(" and source_id = 'two'", " and status = 'pending'"),
    },
  ],
])('no batch ends %s', async (_, changed) => {
  await refuses('23503', commit(a, changed));
});

test('what is committed takes nothing more', async () => {
  expect(await attack(a.app, commit(a, { moreEnergyRows: '' }))).toBe('done');
  await refuses('23503', named(a, steps.moreEnergyRows));
  await refuses('23503', named(a, outcomes('radius', "(same, 'passed', null, 1, 1)")));
  await refuses('42501', commit(a, { batch: '' }));
  await refuses(
    '23503',
    named(a, `update batches set retried = retried where id = $held; ${steps.moreEnergyRows}`),
  );
  await refuses(
    '23503',
    named(a, `select from outcomes for update; select from runs for update; ${steps.moreEnergyRows}`),
  );
});
