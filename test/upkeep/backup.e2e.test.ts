import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { migrateDatabase } from '@osa/daemon/upkeep/migrate';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { scratch, until } from '../support/database/database.ts';
import {
  type DebianServer,
  debianServerMissing,
  startDebianServer,
} from '../support/database/debian-server.ts';

/**
 * docs/backup.md by its own commands: a backup of an archive that works on, restored on another server. While pg_dump
 * has its snapshot and waits for one table, the archive gets a release, records and a rollback.
 */

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const osad = join(import.meta.dirname, '../../packages/daemon/dist/osad.js');
const why = debianServerMissing === undefined ? '' : ` (skipped: ${debianServerMissing})`;
const worker = { name: 'tests', isInherited: true, concurrency: 2, perHook: 2, leaseSeconds: 30 };

describe.skipIf(debianServerMissing !== undefined)(`a backup under load${why}`, () => {
  let place: Awaited<ReturnType<typeof scratch>>;
  const servers: DebianServer[] = [];
  const pools: Database[] = [];
  let daemon: TestDaemon;
  let restored: TestDaemon | undefined;
  let held: string;
  let late: string;
  const at = (name: string) => join(place.path, name);
  const server = (index: number) => servers[index] as DebianServer;

  beforeAll(async () => {
    place = await scratch();
    await execa('chmod', ['711', place.path]);
    for (const name of ['here', 'there']) servers.push(await startDebianServer(at(`server-${name}`)));
    await newDatabase(server(0));
    await migrateDatabase({ url: server(0).url('osa'), appRole: 'osa_app' });
    daemon = await daemonOn(server(0), at('data'));
    await backUpUnderLoad();
    await restore();
  });
  afterAll(async () => {
    await daemon?.close();
    await restored?.close();
    for (const pool of pools) await pool.close();
    for (const running of servers) await running.close();
    await place.dispose();
  });

  async function newDatabase(where: DebianServer): Promise<void> {
    await where.run('createdb', '--maintenance-db', where.url('postgres'), 'osa');
    const owner = open(where, 'postgres');
    await owner.sql`create role osa_app login`;
  }

  function open(where: DebianServer, database = 'osa'): Database {
    const pool = connect({ url: where.url(database), max: 2, applicationName: 'osa tests' });
    pools.push(pool);
    return pool;
  }

  const daemonOn = (where: DebianServer, dataDirectory: string) =>
    testDaemon({ database: { url: where.url('osa', 'osa_app'), connections: 5 }, dataDirectory, worker });

  async function send(count: number, source: string): Promise<string> {
    const body = ndjson(count).replaceAll('"r', `"${source}`);
    return (await daemon.call('ingest', { params: { slug: 'tests' }, body })).id;
  }

  const ended = (archive: TestDaemon, id: string) =>
    until(`ingestion ${id} to end`, async () => {
      const { finished_at } = await archive.call('showIngestion', { params: { id } });
      return finished_at !== null;
    });

  async function backUpUnderLoad(): Promise<void> {
    const owner = open(server(0));
    await deployHook(daemon, hookCode('return { features: [{ value: metadata.value }] };'));
    await ended(daemon, await send(5, 'before'));
    await cp(at('data/blobs'), at('early/blobs'), { recursive: true });
    const gated = `while (!existsSync(${JSON.stringify(at('gate'))})) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);`;
    const code = hookCode(`${gated} return { features: [{ value: metadata.value * 2 }] };`);
    await deployHook(daemon, `import { existsSync } from 'node:fs';\n${code}`);
    held = await send(3, 'held');
    await until('the code to run', async () => (await owner.sql`select from attempts`).length === 2);

    const dumping = await owner.transaction(async (tx) => {
      // Nothing that the archive does here needs this table.
      await tx`lock table prunings in access exclusive mode`;
      const dump = server(0).run(
        'pg_dump',
        '--format',
        'custom',
        '--file',
        at('osa.dump'),
        server(0).url('osa'),
      );
      await until('the snapshot of pg_dump', async () => {
        const waiting = await owner.sql`
          select from pg_stat_activity where application_name = 'pg_dump' and wait_event_type = 'Lock'`;
        return waiting.length === 1;
      });
      await deployHook(daemon, hookCode('return { features: [{ value: metadata.value * 3 }] };'));
      late = await send(7, 'during');
      await ended(daemon, late);
      await daemon.call('rollback', { params: { name: 'probe' }, json: { to: 1 } });
      return { dump };
    });
    await dumping.dump;
    const filter = (path: string) => basename(path) !== 'incoming';
    await cp(at('data/blobs'), at('backup/blobs'), { recursive: true, filter });
  }

  async function restore(): Promise<void> {
    await newDatabase(server(1));
    const url = server(1).url('osa');
    const options = ['--no-owner', '--no-privileges', '--exit-on-error'];
    await server(1).run('pg_restore', ...options, '--dbname', url, at('osa.dump'));
    await execa(process.execPath, [osad, 'migrate', '--database', url]);
    await cp(at('backup'), at('restored'), { recursive: true });
  }

  async function check(data: string) {
    const args = ['check', '--restored', '--data', data, '--database', server(1).url('osa')];
    const { exitCode, stdout } = await execa(process.execPath, [osad, ...args], { reject: false });
    return { exitCode, lines: stdout.trimEnd().split('\n') };
  }

  const counts = async (where: DebianServer) => {
    const [found] = await open(where).sql<{ releases: number; records: number; changes: number }[]>`
      select (select count(*)::integer from releases) as releases, (select count(*)::integer from records) as records,
             (select count(*)::integer from live_changes) as changes`;
    return found;
  };

  test('has what the snapshot had, and not what came while it was written', async () => {
    expect(await counts(server(0))).toEqual({ releases: 3, records: 12, changes: 4 });
    expect(await counts(server(1))).toEqual({ releases: 2, records: 5, changes: 2 });
  });

  test('is whole', async () => {
    const { exitCode, lines } = await check(at('restored'));
    expect(lines).toEqual([expect.stringMatching(/read 2 blobs, 2 releases, 2 deploys, /)]);
    expect(exitCode).toBe(0);
  });

  test('is not whole with blobs that were copied before the database', async () => {
    const { exitCode, lines } = await check(at('early'));
    expect(lines).toContainEqual(expect.stringMatching(/\(the code of probe v2\).* it is not in the store$/));
    expect(exitCode).toBe(1);
  });

  test('without a blob and with a row of history that was altered, both are named', async () => {
    const blobs = at('restored/blobs');
    const names = (await readdir(blobs, { recursive: true })).filter((name) => /\/[0-9a-f]{62}$/.test(name));
    const owner = open(server(1));
    const [second] = await owner.sql<{ digest: string }[]>`select digest from releases where version = 2`;
    const file = names.find((name) => `sha256:${name.replace('/', '')}` === second?.digest) ?? 'none';
    await rm(join(blobs, file));
    await owner.transaction(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update releases set config = '{"factor": 3}' where version = 1`;
    });
    const { exitCode, lines } = await check(at('restored'));
    expect(lines).toContainEqual(expect.stringMatching(/\(the code of probe v2\).* it is not in the store$/));
    expect(lines).toContainEqual(
      expect.stringMatching(/releases probe v1: its digest, command, config or limits/),
    );
    expect(exitCode).toBe(1);
    await owner.transaction(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update releases set config = '{}' where version = 1`;
    });
    await cp(join(at('backup/blobs'), file), join(blobs, file));
    expect((await check(at('restored'))).exitCode).toBe(0);
  });

  test('a deploy that is gone is named, and one that the trail does not have', async () => {
    const owner = open(server(1));
    const rename = (from: string, to: string) =>
      owner.transaction(async (tx) => {
        await tx`set local session_replication_role = replica`;
        await tx`update deploys set id = ${to} where id = ${from}`;
      });
    const [deploy] = await owner.sql<{ id: string }[]>`select id from deploys order by at limit 1`;
    const [id, other] = [deploy?.id ?? '', crypto.randomUUID()];
    await rename(id, other);
    const { exitCode, lines } = await check(at('restored'));
    await rename(other, id);
    expect(exitCode).toBe(1);
    expect(lines).toContain(`deploys ${id}: the trail has it, and it is not there`);
    expect(lines).toContain(`deploys ${other}: the trail does not have it`);
    expect((await check(at('restored'))).exitCode).toBe(0);
  });

  test('runs what was running at its moment, by the release of the snapshot', async () => {
    await writeFile(at('gate'), '');
    restored = await daemonOn(server(1), at('restored'));
    await ended(restored, held);
    const rows = await open(server(1)).sql<{ value: number; release: number }[]>`
      select value, release from current.probe where value in (0, 2, 4) and release = 2 order by value`;
    expect(rows.map(({ value }) => value)).toEqual([0, 2, 4]);
    expect((await restored.send('GET', `/api/v1/ingestions/${late}`)).status).not.toBe(200);
  });
});
