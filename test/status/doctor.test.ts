import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon({ version: '0.0.0-test' });
});
afterAll(() => daemon.close());

test('what the daemon needs is looked at part by part', async () => {
  const { checks } = await daemon.call('doctor');
  expect(checks.map(({ check }) => check)).toEqual([
    ...['settings', 'database', 'migrations', 'role', 'commits', 'sessions', 'clock', 'statistics', 'data'],
    ...['runner', 'issuers'],
  ]);
  const wrong = checks.filter(({ check, ok }) => !ok && check !== 'runner' && check !== 'data');
  expect(wrong).toEqual([]);
});

test('a fault is named with what to do, and hides no other', async () => {
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const [row] = await owner.sql<{ name: string; checksum: string }[]>`
    delete from schema_migrations where name like '0006%' returning name, checksum`;
  const { ok, checks } = await daemon.call('doctor');
  await owner.sql`insert into schema_migrations (name, checksum) values (${row?.name ?? ''}, ${row?.checksum ?? ''})`;
  expect(ok).toBe(false);
  expect(checks.find(({ check }) => check === 'migrations')).toMatchObject({
    ok: false,
    detail: expect.stringContaining('0006_publishers'),
    hint: expect.stringContaining('osad migrate'),
  });
  expect(checks.find(({ check }) => check === 'clock')).toMatchObject({ ok: true });
});

test('osa doctor shows both sides; a server that is away is one fault of many', async () => {
  await using world = await createCliWorld();
  const environment = { OSA_SERVER: 'http://127.0.0.1:9', OSA_TOKEN: 'a.b.c' };
  const { code, stdout } = await world.osa(['doctor', '--json'], { environment });
  expect(code).toBe(1);
  const { here, server } = JSON.parse(stdout);
  expect(server).toEqual([]);
  expect(here).toMatchObject([
    { check: 'node', ok: true },
    { check: 'server', ok: true },
    { check: 'reachable', ok: false, hint: expect.stringContaining('--server') },
    { check: 'credential', ok: true, detail: 'OSA_TOKEN' },
  ]);
});

test('osa doctor lists what is wrong also where no server is named, and where its process has ended', async () => {
  await using world = await createCliWorld();
  const cwd = world.cwd;
  const wrong = async () => {
    const { code, stdout } = await world.osa(['doctor', '--json'], { cwd });
    const { ok, here } = JSON.parse(stdout);
    expect([code, ok, here[0].check]).toEqual([1, false, 'node']);
    return here[1];
  };
  const none = expect.stringContaining('no server is configured');
  expect(await wrong()).toMatchObject({ check: 'server', ok: false, detail: none });
  await mkdir(join(cwd, '.osa'), { recursive: true });
  const daemon = { url: 'http://127.0.0.1:9', pid: 2 ** 22 + 7 };
  await writeFile(join(cwd, '.osa', 'daemon.json'), JSON.stringify(daemon), { mode: 0o600 });
  expect(await wrong()).toMatchObject({ check: 'server', detail: expect.stringContaining('has ended') });
  const shown = await world.osa(['doctor'], { cwd });
  expect([shown.code, shown.stdout]).toEqual([1, expect.stringMatching(/wrong server/)]);
});
