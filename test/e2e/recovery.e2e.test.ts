import { join } from 'node:path';
import { connect } from '@osa/core/postgres/connection/connect';
import { findEmbedded, removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { scratch, type TestDatabase, testDatabase, until } from '../support/database/database.ts';
import { type Daemon, osa, osaJson, startDaemon } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Work survives the daemon's death, PostgreSQL's restart, and two uploads that race. */

let directory: Awaited<ReturnType<typeof scratch>>;
let daemons: Daemon[];

beforeEach(async () => {
  directory = await scratch();
  daemons = [];
});
afterEach(async () => {
  await Promise.all(daemons.map((daemon) => daemon.end('SIGTERM')));
  await removeEmbedded(join(directory.path, '.osa'));
  await directory.dispose();
});

async function daemon(place: string, ...args: string[]): Promise<Daemon> {
  const started = await startDaemon(place, ...args);
  daemons.push(started);
  return started;
}

/** Doubles each value, and takes its time over a batch so that something can happen meanwhile. */
const slowDouble = `await new Promise((resolve) => setTimeout(resolve, 150));
${hookCode('return { features: [{ value: metadata.value * 2 }] }')}`;

const total = 400;
const values = Array.from({ length: total }, (_, index) => [`r${index}`, index] as const);

async function startIngestion(place: string): Promise<string> {
  await writeProject(place, { code: slowDouble });
  await writeRecords(join(place, 'records.ndjson'), values);
  await osaJson(place, ['deploy']);
  const { id } = await osaJson(place, [
    'ingest',
    'numbers',
    'records.ndjson',
    '--batch-size',
    '20',
    '--no-wait',
  ]);
  await until(
    'the first batches',
    async () => (await osaJson(place, ['ingestions', 'show', id])).published > 0,
  );
  return id;
}

async function expectComplete(place: string, id: string): Promise<void> {
  const shown = await until(
    'the end of the ingestion',
    async () => {
      const answer = await osaJson(place, ['ingestions', 'show', id]).catch(() => undefined);
      return answer?.status === 'completed' && answer;
    },
    60_000,
  );
  expect(shown).toMatchObject({
    records: total,
    published: total,
    rows: total,
    errored: 0,
    rejected: 0,
    pending: 0,
  });
  const { rows } = await osaJson(place, ['rows', 'doubled', '--limit', '1000']);
  expect(rows.map((row: { value: number }) => row.value).sort((a: number, b: number) => a - b)).toEqual(
    values.map(([, value]) => value * 2),
  );
}

test('a daemon killed in the middle of an ingestion and started again ends it with exactly the expected rows', async () => {
  const first = await daemon(directory.path);
  const id = await startIngestion(directory.path);
  await first.end('SIGKILL');
  await daemon(directory.path);
  await expectComplete(directory.path, id);
});

test('PostgreSQL stopped at once under a busy daemon: it reconnects, nothing is lost, the process stays up', async () => {
  const running = await daemon(directory.path);
  const id = await startIngestion(directory.path);
  const server = await findEmbedded(join(directory.path, '.osa'));
  process.kill(server?.pid ?? 0, 'SIGQUIT');
  await expectComplete(directory.path, id);
  expect(running.process.exitCode).toBeNull();
});

test('a second daemon on the same directory says so and leaves the first alone', async () => {
  const first = await daemon(directory.path);
  await expect(startDaemon(directory.path)).rejects.toThrow(
    new RegExp(`ended with 1[^]*${first.process.pid}`),
  );
  expect((await osa(directory.path, ['hooks', 'list'])).exitCode).toBe(0);
});

test('SIGTERM in the middle of a batch ends within its bound, and the next daemon goes on', async () => {
  const first = await daemon(directory.path);
  const id = await startIngestion(directory.path);
  expect(await first.end('SIGTERM')).toBe(0);
  await daemon(directory.path);
  await expectComplete(directory.path, id);
});

test('of two uploads one after the other the later content is the newest version, with two daemons, four times', async () => {
  const database: TestDatabase = await testDatabase();
  const places = [join(directory.path, 'a'), join(directory.path, 'b')] as const;
  const shared = join(directory.path, 'data');
  for (const place of places)
    await writeProject(place, { code: hookCode('return { features: [{ value: metadata.value }] }') });
  for (const place of places) await daemon(place, '--database', database.appUrl, '--data', shared);
  await osaJson(places[0], ['deploy']);
  for (let round = 1; round <= 4; round += 1) {
    const ids: string[] = [];
    for (const [index, place] of places.entries()) {
      const content = round * 10 + index;
      const file = join(place, `records-${round}.ndjson`);
      await writeRecords(
        file,
        Array.from({ length: 100 }, (_, n) => [`r${n}`, content] as const),
      );
      const { id } = await osaJson(place, ['ingest', 'numbers', file, '--batch-size', '7', '--no-wait']);
      ids.push(id);
    }
    for (const id of ids) {
      await until(
        'both uploads',
        async () => (await osaJson(places[0], ['ingestions', 'show', id])).status === 'completed',
        60_000,
      );
    }
    const { rows } = await osaJson(places[1], ['rows', 'doubled', '--limit', '1000']);
    expect(rows).toHaveLength(100);
    expect(new Set(rows.map((row: { value: number }) => row.value))).toEqual(new Set([round * 10 + 1]));
  }
  const pool = connect({ url: database.ownerUrl, max: 1, applicationName: 'test' });
  const [count] = await pool.sql<{ records: string; rows: string }[]>`
    select (select count(*) from records) as records, (select count(*) from features.doubled) as rows`;
  await pool.close();
  expect(count).toEqual({ records: '800', rows: '800' });
  await Promise.all(daemons.map((running) => running.end('SIGTERM')));
  await database.close();
});
