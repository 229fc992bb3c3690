import { join } from 'node:path';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { findEmbedded } from '@osa/core/postgres/embedded/embedded';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { deployRequest } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';
import { hangUps, health, slowest } from './flood.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

/** Readers without a token that ask for the largest pages and hang up, against the built daemon. */

const floodMs = 6_000;
const path = '/api/v1/data/wide/records?limit=1000';
let stage: ProjectDaemon;
let database: Database;

async function start(settings: string): Promise<void> {
  stage = await startProjectDaemon(settings);
  const server = await findEmbedded(join(stage.directory, '.osa'));
  if (!server) throw new Error('no PostgreSQL runs');
  database = connect({
    url: { ...server.connection, database: 'osa' },
    max: 2,
    applicationName: 'observer',
  });
  await deploy();
  await ingest();
}
async function end(): Promise<void> {
  await database.close();
  await stage.close();
}

async function deploy(): Promise<void> {
  const fields = [{ name: 'text', type: 'text', required: true, cardinality: 'exactly_one' }];
  const schema = { id: 'wide', version: '1.0.0', fields };
  const json = { ...deployRequest(), slug: 'wide', schema };
  const { status, text } = await stage.http.send('POST', '/api/v1/conventions', { json });
  expect([200, 201], text).toContain(status);
}

async function ingest(): Promise<void> {
  const line = (n: number) =>
    JSON.stringify({ source_id: `r${n}`, metadata: { text: `${n}-`.repeat(2_500) } });
  const body = Array.from({ length: 3_000 }, (_, n) => line(n)).join('\n');
  const headers = { 'content-type': 'application/x-ndjson' };
  const sent = await stage.http.send('POST', '/api/v1/conventions/wide/ingestions', { headers, body });
  expect(sent.status, sent.text).toBeLessThan(300);
  const { id } = sent.json as { id: string };
  await until(
    'the records to be published',
    async () => {
      const { json } = await stage.http.get(`/api/v1/ingestions/${id}`);
      return (json as { status: string }).status === 'completed';
    },
    60_000,
  );
}

/** The longest that a statement of a read has been running, in seconds. */
async function longestRead(): Promise<number> {
  const [row] = await database.sql<{ seconds: number }[]>`
    select coalesce(max(extract(epoch from clock_timestamp() - query_start)), 0)::float8 as seconds
    from pg_stat_activity where application_name like 'osad reads%' and state = 'active'`;
  return row?.seconds ?? 0;
}

interface Bound {
  readonly healthMs: number;
  readonly writeMs: number;
}

/** A busy machine can spoil one round, and does not spoil all of them. */
async function expectCalm(atLeast: Bound): Promise<void> {
  const page = await stage.http.get(path);
  expect(page.text.length).toBeGreaterThan(4 * 2 ** 20);
  const rounds: Awaited<ReturnType<typeof round>>[] = [];
  const isCalm = (what: keyof Bound) =>
    rounds.some(({ quiet, flooded }) => flooded[what] < Math.max(atLeast[what], quiet[what] * 2));
  while (rounds.length < 5 && !(isCalm('healthMs') && isCalm('writeMs'))) rounds.push(await round());
  const found = JSON.stringify(rounds);
  expect(Math.min(...rounds.map(({ longest }) => longest)), found).toBeLessThan(1);
  expect(Math.min(...rounds.map(({ lastSeconds }) => lastSeconds)), found).toBeLessThan(1);
  expect([isCalm('healthMs'), isCalm('writeMs')], found).toEqual([true, true]);
}

describe('40 of them', () => {
  beforeAll(() => start(''));
  afterAll(end);

  test('do not double what writes and health take, and leave none of their statements behind', () =>
    expectCalm({ healthMs: 10, writeMs: 50 }));
});

describe('40 that no budget holds', () => {
  beforeAll(() =>
    start('anonymous_requests_per_minute: 1000000000\nanonymous_rows_per_minute: 1000000000\n'),
  );
  afterAll(end);

  // Bounds that only a daemon that lets readers in the way misses: before they were bounded, good requests waited for 5 s.
  test('do not hold up writes and health', () => expectCalm({ healthMs: 100, writeMs: 500 }));
});

async function round() {
  const { url, port } = stage.http;
  const measure = async (durationMs: number) => {
    const [healthMs, writeMs] = await Promise.all([
      slowest(() => health(url), durationMs),
      slowest(deploy, durationMs),
    ]);
    return { healthMs, writeMs };
  };
  const quiet = await measure(floodMs);
  const flood = hangUps(port, 40, path, 300);
  let longest = 0;
  const watch = setInterval(async () => {
    longest = Math.max(longest, await longestRead());
  }, 100);
  const flooded = await measure(floodMs);
  clearInterval(watch);
  await flood.stop();
  const start = performance.now();
  await until('all reads to be cancelled', async () => (await longestRead()) === 0);
  const lastSeconds = (performance.now() - start) / 1_000;
  return { quiet, flooded, longest, lastSeconds };
}
