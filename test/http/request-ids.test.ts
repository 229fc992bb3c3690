import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployHook, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';

/** One request is followed by its id: in the answer, each line of the log, events and the session of the database. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
});
afterAll(() => daemon.close());

type Line = Readonly<Record<string, unknown>>;
const logged = (): Line[] => daemon.log.map((line) => JSON.parse(line) as Line);
const uuid = /^[0-9a-f]{8}-/;

test('an id of the caller is returned, logged, and in the body of a refusal', async () => {
  const headers = { 'x-request-id': 'ci-4711/2', authorization: await daemon.bearer(['hooks:write']) };
  const answer = await daemon.send('GET', '/api/v1/status', { headers });
  expect(answer.status).toBe(403);
  expect(answer.headers['x-request-id']).toBe('ci-4711/2');
  expect(answer.problem?.request_id).toBe('ci-4711/2');
  const line = await until('the line', async () =>
    logged().find((one) => one.request_id === 'ci-4711/2' && one.msg === 'request'),
  );
  expect(line).toMatchObject({
    level: 'info',
    method: 'GET',
    route: '/api/v1/status',
    status: 403,
    ms: expect.any(Number),
    actor: 'test#tester',
  });
});

test.each(['', 'with blank', 'quote"', 'x'.repeat(65), "a'; drop table events; --"])(
  'the id %j is replaced by one of ours',
  async (id) => {
    const answer = await daemon.send('GET', '/health', { headers: { 'x-request-id': id } });
    expect(answer.headers['x-request-id']).toMatch(uuid);
  },
);

test('a trace of the caller goes on with a span of ours; another begins here', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
  const answer = await daemon.send('GET', '/health', { headers: { traceparent } });
  expect(answer.headers.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  expect(answer.headers.traceparent).not.toBe(traceparent);
  for (const bad of [`00-${'0'.repeat(32)}-b7ad6b7169203331-01`, `ff-${traceId}-b7ad6b7169203331-01`, 'x']) {
    const other = await daemon.send('GET', '/health', { headers: { traceparent: bad } });
    expect(other.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(other.headers.traceparent).not.toContain(traceId);
  }
});

test('writes are logged at info with what they did, and their events name the request', async () => {
  await deployHook(daemon, 'process.exit(0)');
  await daemon.call('pauseHook', { params: { name: 'probe' }, json: {}, headers: headersOf('pause-1') });
  const said = logged().filter(({ level }) => level === 'info');
  expect(said).toContainEqual(
    expect.objectContaining({
      msg: 'deployed',
      convention: 'tests',
      changed: true,
      request_id: expect.stringMatching(uuid),
    }),
  );
  expect(said).toContainEqual(
    expect.objectContaining({
      msg: 'paused a hook',
      hook: 'probe',
      request_id: 'pause-1',
      trace_id: expect.any(String),
    }),
  );
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const events =
    await owner.sql`select type from events where payload ->> 'request_id' = 'pause-1' order by id`;
  expect(events.map(({ type }) => type)).toEqual(['hook.paused', 'request.accepted']);
});

test('the session of a request that waits in the database bears its id', async () => {
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 2 });
  const release = Promise.withResolvers<void>();
  const holds = Promise.withResolvers<void>();
  const holding = owner.transaction(async (tx) => {
    await tx`select from hooks where name = 'probe' for update`;
    holds.resolve();
    await release.promise;
  });
  await holds.promise;
  const resumed = daemon.call('resumeHook', {
    params: { name: 'probe' },
    json: {},
    headers: headersOf('resume-1'),
  });
  await until('the session', async () => {
    const rows = await owner.sql`
      select from pg_stat_activity where application_name = 'osad requests resume-1' and state <> 'idle'`;
    return rows.length > 0;
  });
  release.resolve();
  await Promise.all([holding, resumed]);
  // The connection is used again, and bears no name of another request.
  await daemon.call('listHooks', { headers: headersOf('read-1') });
  await daemon.call('resumeHook', { params: { name: 'probe' }, json: {}, headers: headersOf('resume-2') });
  const names = await owner.sql<{ name: string }[]>`
    select application_name as name from pg_stat_activity where application_name like 'osad requests%resume-1'`;
  expect(names).toEqual([]);
});

test('the session of a read bears the id of its request, and not that of the one before', async () => {
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 2 });
  // The session has had a name already, and knows the statement.
  for (const id of ['read-2', 'read-3']) await daemon.call('listHooks', { headers: headersOf(id) });
  const release = Promise.withResolvers<void>();
  const holds = Promise.withResolvers<void>();
  const holding = owner.transaction(async (tx) => {
    await tx`lock table hooks in access exclusive mode`;
    holds.resolve();
    await release.promise;
  });
  await holds.promise;
  const read = daemon.call('listHooks', { headers: headersOf('read-4') });
  const [waiting] = await until('the session', async () => {
    const rows = await owner.sql<{ name: string }[]>`
      select application_name as name from pg_stat_activity
      where application_name like 'osad reads%' and wait_event_type = 'Lock'`;
    return rows.length > 0 && rows;
  });
  release.resolve();
  await Promise.all([holding, read]);
  expect(waiting?.name).toBe('osad reads read-4');
});

test('probes do not fill the log', async () => {
  await daemon.send('GET', '/health', { headers: { 'x-request-id': 'probe-1' } });
  const line = await until('the line', async () => logged().find((one) => one.request_id === 'probe-1'));
  expect(line.level).toBe('debug');
});

test('no token is in the log, and no name of a path', () => {
  const text = daemon.log.join('');
  expect(text).not.toMatch(/eyJ/);
  expect(text).not.toContain('/hooks/probe/');
});

test("the command line's error leads to the line of the log", async () => {
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  await owner.sql.unsafe('alter table hooks rename to hooks_away');
  try {
    await using world = await createCliWorld();
    const { code, stderr } = await world.osa(['hooks', 'list'], { environment: { OSA_SERVER: daemon.url } });
    expect(code).toBe(1);
    const [, id] = /\(request ([0-9a-f-]{36})\)/.exec(stderr) ?? [];
    expect(id).toMatch(uuid);
    expect(logged()).toContainEqual(
      expect.objectContaining({
        level: 'error',
        msg: 'request failed',
        request_id: id,
        err: expect.anything(),
      }),
    );
  } finally {
    await owner.sql.unsafe('alter table hooks_away rename to hooks');
  }
});

function headersOf(id: string): Record<string, string> {
  return { 'x-request-id': id };
}
