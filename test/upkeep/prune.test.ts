import type { Database } from '@osa/core/postgres/connection/connect';
import { readOptions } from '@osa/daemon/config/options';
import { pruneArchive } from '@osa/daemon/upkeep/prune';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rehearse } from '../support/database/sql-attack.ts';
import { type StoryArchive, storyArchive } from '../trace/story-archive.ts';

/** `osad prune` removes logs, notices and stored answers by age, and nothing else; the database refuses more. */

let archive: StoryArchive;
let owner: Database;
beforeAll(async () => {
  archive = await storyArchive();
  owner = archive.daemon.database.open(archive.daemon.database.ownerUrl, { max: 2 });
}, 60_000);
afterAll(() => archive.close());

async function run(argv: readonly string[], url = archive.daemon.database.ownerUrl): Promise<string> {
  const options = readOptions(['prune', ...argv]);
  if (options.command !== 'prune') throw new Error('another command');
  let text = '';
  const write = async (part: string) => {
    text += part;
  };
  await pruneArchive({ ...options, url, environment: {}, write, note: undefined });
  return text;
}

async function pruned(argv: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await run([...argv, '--json'])) as Record<string, unknown>;
}

/** Time goes by only for somebody above the rules. */
async function age(statement: string): Promise<void> {
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx.unsafe(statement);
  });
}

const everythingElse = `
  select md5(string_agg(part, '' order by part)) as digest from (
    select r::text as part from runs r union all select o::text from outcomes o union all select l::text from releases l
    union all select c::text from live_changes c union all select d::text from deploys d
    union all select p::text from records p union all select b::text from batch_records b
    union all select f::text from features.probe f union all select u::text from blob_uses u
    union all select e::text from events e where not is_notice(type)
    union all select (to_jsonb(a) - 'log' - 'log_pruned_at')::text from attempts a) parts`;

async function digestOfHistory(): Promise<string> {
  const [row] = await owner.sql.unsafe<{ digest: string }[]>(everythingElse);
  return row?.digest ?? '';
}

const oldLogs =
  "update attempts set finished_at = finished_at - interval '100 days', log = 'it said so', log_bytes = 10";
const oldEvents = "update events set at = at - interval '100 days'";

test('what is younger than its age stays, and without an age all does', async () => {
  expect(await pruned(['--logs-days', '1', '--events-days', '1'])).toEqual({
    ...{ plan: false, keep_logs_days: 1, keep_events_days: 1 },
    ...{ logs: 0, log_bytes: 0, events: 0, answers: 0 },
  });
  await age(`${oldLogs}; ${oldEvents}`);
  expect(await run([])).toMatch(
    /removed the logs of 0 attempts .*\nosad: without an age, all are kept of: logs .*, notices/,
  );
});

test('a plan counts and removes nothing; then old logs and notices go, and history stays', async () => {
  const { hook_name, id } = await archive.daemon
    .call('listRuns')
    .then(({ items }) => items[0] ?? Promise.reject(new Error('no run')));
  // Traced before, so that the daemon remembers the run.
  const before = await archive.osa(['trace', `${hook_name}/1`]);
  expect(before.stdout).not.toContain('pruned');
  const history = await digestOfHistory();
  await owner.sql`
    insert into idempotency_keys (actor, key, request_digest, rights, response, at)
    select min(id), 'old', 'x', '{}', '{}', now() - interval '25 hours' from actors`;
  const count = async () =>
    owner.sql<Record<string, number>[]>`
      select (select count(*)::integer from attempts where log is not null) as logs,
             (select count(*)::integer from events where type in ('batch.finished', 'request.accepted')) as notices,
             (select count(*)::integer from idempotency_keys where key = 'old') as answers`.then(
      ([row]) => row,
    );
  const start = await count();
  expect(start).toMatchObject({ logs: 2, answers: 1 });
  expect(start?.notices).toBeGreaterThan(2);
  await archive.osa(['events'], { scopes: ['events:read'] });
  const ages = ['--logs-days', '90', '--events-days', '90'];
  const plan = await pruned([...ages, '--plan']);
  expect(plan).toMatchObject({ plan: true, logs: 2, log_bytes: 20, answers: 1 });
  expect(await count()).toEqual(start);
  expect(await pruned(ages)).toEqual({ ...plan, plan: false });
  const left = await count();
  expect(left).toMatchObject({ logs: 0, answers: 0 });
  // The newest event keeps its place, since the next one follows from it.
  expect((start?.notices ?? 0) - (left?.notices ?? 0)).toBe(plan.events);
  expect(await digestOfHistory()).toBe(history);
  expect(await pruned(ages)).toMatchObject({ logs: 0, events: 0, answers: 0 });

  const day = new Date().toISOString().slice(0, 10);
  const shown = await archive.daemon.call('traceRow', { params: { hook: 'probe', id: 1 } });
  expect(shown.run.log_pruned_at).toContain(day);
  expect((await archive.osa(['trace', 'probe/1'])).stdout).toContain('pruned on');
  expect((await archive.osa(['trace', id])).stdout).toContain('pruned on');
  const scopes = ['runs:read', 'events:read'];
  const logs = await archive.osa(['runs', 'logs', id], { scopes });
  expect([logs.code, logs.stderr]).toEqual([1, expect.stringContaining(`was pruned on ${day}`)]);
  expect((await archive.osa(['runs', 'show', id], { scopes })).stdout).toContain('pruned on');
  const events = await archive.osa(['events', '--after', '0', '--json'], { scopes });
  expect(events.stderr).toContain('were pruned because of their age');
  const seqs = events.stdout
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as { type: string });
  expect(seqs.map(({ type }) => type)).toContain('convention.deployed');
  const rows = await owner.sql<{ kind: string }[]>`select kind from prunings order by kind`;
  expect(rows.map(({ kind }) => kind)).toEqual(['answers', 'events', 'logs']);
});

test('an attempt that said nothing keeps saying so', async () => {
  await archive.ingest('{"source_id":"silent","metadata":{"value":5}}\n');
  await age(
    "update attempts set finished_at = finished_at - interval '100 days' where log_pruned_at is null",
  );
  expect(await pruned(['--logs-days', '90'])).toMatchObject({ logs: 0 });
});

test('what another service has not had yet stays', async () => {
  await archive.ingest('{"source_id":"late","metadata":{"value":5}}\n');
  await archive.osa(['events'], { scopes: ['events:read'] });
  await age(oldEvents);
  await owner.sql`insert into deliveries (consumer, seq) select 'slow', 0`;
  expect(await pruned(['--events-days', '30', '--plan'])).toMatchObject({ events: 0 });
  await owner.sql`update deliveries set seq = 1000000`;
  const plan = await pruned(['--events-days', '30', '--plan']);
  expect(plan.events).toBeGreaterThan(0);
});

test('the role of the application removes nothing', async () => {
  const url = archive.daemon.database.appUrl;
  await expect(run(['--logs-days', '1'], url)).rejects.toMatchObject({ code: 'access_denied' });
  const app = archive.daemon.database.open(url, { max: 1 });
  for (const statement of [
    'update attempts set log = null, log_pruned_at = now()',
    "set local osa.pruning = 'events'; delete from event_order",
    "set local osa.pruning = 'events'; delete from events",
    "insert into prunings (kind, before, count, bytes) values ('logs', now(), 1, 1)",
  ]) {
    expect(await rehearse(app, statement), statement).toBe('42501');
  }
});

describe('the owner cannot, by prune’s own way', () => {
  const one = '(select run from attempts where log is not null order by run desc limit 1)';
  const prune = 'log = null, log_pruned_at = now()';
  const on = "set local osa.pruning = 'events';";
  test.each([
    ['remove a log of today', `update attempts set ${prune} where run = ${one}`],
    ['say that a log is pruned and keep it', `update attempts set log_pruned_at = now() where run = ${one}`],
    ['remove a log and not say so', `update attempts set log = null where run = ${one}`],
    ['date it back', `update attempts set log = null, log_pruned_at = '2020-01-01' where run = ${one}`],
    ['take the removal back', 'update attempts set log_pruned_at = null where log_pruned_at is not null'],
    ['write another log', "update attempts set log = 'x' where log_pruned_at is not null"],
    ['delete events', 'delete from events where false'],
    ['delete places of events', 'delete from event_order where false'],
    [
      'delete the trail',
      `${on} delete from event_order where event = (select min(id) from events where not is_notice(type))`,
    ],
    ['delete the last place', `${on} delete from event_order where seq = (select max(seq) from event_order)`],
    [
      'delete an event that has no place',
      `${on} insert into events (type, payload) values ('batch.finished', '{}');
      delete from events where type = 'batch.finished' and id = (select max(id) from events)`,
    ],
    ['rewrite what was pruned', 'update prunings set count = 7'],
    ['forget what was pruned', 'delete from prunings'],
  ])('%s', async (_what, statement) => {
    expect(await rehearse(owner, statement)).toBe('42501');
  });

  test('and changes nothing else of an attempt whose old log goes', async () => {
    await age(`${oldLogs} where log is not null`);
    const [row] = await owner.sql`select from attempts where log is not null`;
    expect(row).toBeDefined();
    expect(await rehearse(owner, `update attempts set ${prune} where run = ${one}`)).toBe('done');
    for (const also of [
      'exit_code = 7',
      "detail = 'x'",
      'log_bytes = 0',
      'resolved_digest = null',
      'finished_at = now()',
    ]) {
      expect(await rehearse(owner, `update attempts set ${prune}, ${also} where run = ${one}`), also).toBe(
        '42501',
      );
    }
  });
});

test.each([
  [['--logs-days', '0']],
  [['--logs-days', 'x']],
  [['--events-days', '36501']],
  [['--logs-days', '1.5']],
  [['--data', '/tmp']],
  [['extra']],
])('refuses osad prune %j', (argv) => {
  expect(() => readOptions(['prune', ...argv])).toThrow(expect.objectContaining({ code: 'usage' }));
});
