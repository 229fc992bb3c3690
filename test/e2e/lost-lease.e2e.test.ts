import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { scratch, type TestDatabase, testDatabase, until } from '../support/database/database.ts';
import { type Daemon, osaJson, startDaemon } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Several daemons over one database: one that is too slow, and those that do one half of the work. */

let directory: Awaited<ReturnType<typeof scratch>>;
let database: TestDatabase;
let daemons: Daemon[];
beforeEach(async () => {
  directory = await scratch();
  database = await testDatabase();
  daemons = [];
});
afterEach(async () => {
  for (const { process } of daemons) process.kill('SIGCONT');
  await Promise.all(daemons.map((daemon) => daemon.end('SIGTERM')));
  await database.close();
  await directory.dispose();
});

async function daemonIn(name: string, ...args: string[]): Promise<{ place: string; daemon: Daemon }> {
  const place = join(directory.path, name);
  const settings = join(directory.path, 'settings.yaml');
  await writeFile(settings, 'lease_seconds: 2\n');
  await writeProject(place, { code: hook() });
  const shared = ['--database', database.appUrl, '--data', join(directory.path, 'data')];
  const daemon = await startDaemon(place, '--config', settings, ...shared, ...args);
  daemons.push(daemon);
  return { place, daemon };
}

/** Says that it has started, and answers when it may. */
function hook(): string {
  const started = JSON.stringify(join(directory.path, 'started-'));
  return `import { existsSync, writeFileSync as write } from 'node:fs';
write(${started} + process.pid, '');
while (!existsSync(${JSON.stringify(permit())})) await new Promise((resolve) => setTimeout(resolve, 20));
${hookCode('return { features: [{ value: metadata.value * 2 }] }')}`;
}

const permit = () => join(directory.path, 'permit');

async function hooksStarted(): Promise<number> {
  return (await readdir(directory.path)).filter((name) => name.startsWith('started-')).length;
}

async function ingestInto(place: string): Promise<string> {
  await writeRecords(join(place, 'records.ndjson'), [
    ['a', 1],
    ['b', 2],
  ]);
  await osaJson(place, ['deploy']);
  const { id } = await osaJson(place, ['ingest', 'numbers', 'records.ndjson', '--no-wait']);
  return id;
}

async function completed(place: string, id: string) {
  return until(
    'the end of the ingestion',
    async () => {
      const shown = await osaJson(place, ['ingestions', 'show', id]);
      return shown.status === 'completed' && shown;
    },
    60_000,
  );
}

test('db-09: a daemon stopped beyond its lease, that goes on after another has done its batch, writes no row', async () => {
  const stale = await daemonIn('stale');
  const id = await ingestInto(stale.place);
  await until('the hook', async () => (await hooksStarted()) === 1);
  stale.daemon.process.kill('SIGSTOP');
  // Its hook is not stopped: it answers, and the answer waits for the daemon.
  await writeFile(permit(), '');
  const other = await daemonIn('other');
  expect(await completed(other.place, id)).toMatchObject({ published: 2, rows: 2 });
  const owner = database.open(database.ownerUrl, { max: 1 });
  const state = async () => {
    const rows = await owner.sql`
      select f.id, f.value, a.fence::integer as fence from features.doubled f
      join outcomes o on o.id = f.outcome_id join attempts a on a.run = o.run and a.n = o.attempt order by f.value`;
    const [counts] = await owner.sql`
      select (select count(*)::integer from outcomes) as outcomes, (select count(*)::integer from records) as records,
             (select array_agg(ending order by n) from attempts) as attempts`;
    return { rows: [...rows], ...counts };
  };
  const before = await state();
  expect(before).toMatchObject({
    rows: [
      { value: 2, fence: 2 },
      { value: 4, fence: 2 },
    ],
    outcomes: 2,
    records: 2,
    attempts: ['abandoned', 'exited'],
  });
  stale.daemon.process.kill('SIGCONT');
  // It ends only when nothing runs any more.
  expect(await stale.daemon.end('SIGTERM')).toBe(0);
  expect(stale.daemon.output()).toMatch(/batch let go .*fence=1/);
  expect(await state()).toEqual(before);
});

test('one daemon only serves and another only works: together they do all', async () => {
  await writeFile(permit(), '');
  const server = await daemonIn('server', '--no-worker');
  const id = await ingestInto(server.place);
  const waiting = await osaJson(server.place, ['ingestions', 'show', id]);
  expect(waiting).toMatchObject({ status: 'running', batches: { queued: 1 } });
  const { daemon: worker } = await daemonIn('worker', '--worker-only');
  expect(await completed(server.place, id)).toMatchObject({ published: 2, rows: 2 });
  const statuses = async ({ url }: Daemon) =>
    Promise.all(
      ['/health', '/ready', '/metrics', '/openapi.json', '/api/v1/hooks'].map(
        async (path) => (await fetch(url + path)).status,
      ),
    );
  expect(await statuses(worker)).toEqual([200, 200, 200, 404, 404]);
  expect(await statuses(server.daemon)).toEqual([200, 200, 200, 200, 200]);
});
