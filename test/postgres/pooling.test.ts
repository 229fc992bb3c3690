import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from '@osa/core/postgres/connection/connect';
import { requireSessions } from '@osa/core/postgres/connection/pooling';
import { sessionSettings } from '@osa/core/postgres/connection/session';
import { startDaemon } from '@osa/daemon/daemon';
import { createLog } from '@osa/daemon/log';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { signingKey, testConfig } from '../support/daemon-support.ts';
import { scratch, type TestDatabase, testDatabase, until } from '../support/database/database.ts';

/** Poolers in front of PostgreSQL, here PgBouncer: the daemon takes sessions, and refuses anything less. */

let database: TestDatabase;
let place: Awaited<ReturnType<typeof scratch>>;
beforeAll(async () => {
  database = await testDatabase();
  place = await scratch();
  await execa('chmod', ['755', place.path]);
});
afterAll(async () => {
  await database.close();
  await place.dispose();
});

test('PostgreSQL itself has sessions', async () => {
  await requireSessions(database.appUrl);
});

const found = await execa('pgbouncer', ['--version'], { reject: false });

describe.skipIf(found.failed)('PgBouncer', () => {
  let running: ChildProcess | undefined;
  afterEach(async () => {
    if (running?.exitCode !== null) return;
    running.kill('SIGKILL');
    await once(running, 'exit');
  });

  /** Starts it in front of the tests' server; the answer is the URL through it. */
  async function pooled(settings: string): Promise<string> {
    const port = await freePort();
    const { username, password, pathname, hostname, port: direct, searchParams } = new URL(database.appUrl);
    const host = searchParams.get('host') ?? hostname;
    const target = `host=${host} port=${searchParams.get('port') ?? (direct || 5432)} dbname=${pathname.slice(1)}`;
    const text = `[databases]
osa = ${target} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
ignore_startup_parameters = ${Object.keys(sessionSettings({})).join(',')}
${settings}
`;
    const file = join(place.path, `pgbouncer-${port}.ini`);
    await writeFile(file, text, { mode: 0o644 });
    const user = process.getuid?.() === 0 ? ['--user', 'postgres'] : [];
    running = spawn('pgbouncer', [...user, file], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    running.stderr?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    const url = `postgres://anybody@127.0.0.1:${port}/osa`;
    await until(`PgBouncer, which said ${said}`, async () => {
      if (running?.exitCode !== null) throw new Error(`PgBouncer has ended: ${said}`);
      const probe = connect({ url, max: 1, applicationName: 'osa tests' });
      const isThere = await probe.sql`select 1`.then(
        () => true,
        () => undefined,
      );
      await probe.close();
      return isThere;
    });
    return url;
  }

  test('by session is taken', async () => {
    await requireSessions(await pooled('pool_mode = session'));
  });

  test('by transaction stops the start of a daemon', async () => {
    const url = await pooled('pool_mode = transaction');
    const config = await testConfig({ url, directory: place.path, key: await signingKey() });
    const log = createLog({ level: 'silent', readable: false });
    await expect(
      startDaemon({ ...config, mode: 'production', runner: 'none' }, { log }),
    ).rejects.toMatchObject({
      code: 'conflict',
      field: 'DATABASE_URL',
    });
  });

  test.each([
    'pool_mode = transaction',
    'pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 4',
  ])('with %s is refused with the reason', async (settings) => {
    const url = await pooled(settings);
    await expect(requireSessions(url)).rejects.toMatchObject({
      code: 'conflict',
      field: 'DATABASE_URL',
      message: expect.stringMatching(/pool_mode = session/),
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
