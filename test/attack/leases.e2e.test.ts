import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { findEmbedded } from '@osa/core/postgres/embedded/embedded';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { hookCode, record } from '../support/core-archive.ts';
import { declaration, deployRequest } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';
import { deafFlood, hangUps } from './flood.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** The worker of a daemon that is flooded: it shares a process with the requests, and must not notice them. */

const leaseSeconds = 6;
let stage: ProjectDaemon;
let database: Database;
beforeAll(async () => {
  stage = await startProjectDaemon(`lease_seconds: ${leaseSeconds}\n`);
  const server = await findEmbedded(join(stage.directory, '.osa'));
  if (!server) throw new Error('no PostgreSQL runs');
  database = connect({ url: { ...server.connection, database: 'osa' }, max: 1, applicationName: 'observer' });
});
afterAll(async () => {
  await database.close();
  await stage.close();
});

/** Deploys a hook that takes a while for each record, and brings in one record. */
async function begin(hookSeconds: number): Promise<void> {
  const place = join(stage.directory, 'slow-hook');
  await mkdir(place);
  const wait = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${hookSeconds * 1_000});`;
  await writeFile(join(place, 'hook.mjs'), hookCode(`${wait} return { features: [{ value: 1 }] };`));
  const digest = await stage.http.upload(place);
  const json = deployRequest([declaration('probe', digest)]);
  const deployed = await stage.http.send('POST', '/api/v1/conventions', { json });
  expect([200, 201], deployed.text).toContain(deployed.status);
  const headers = { 'content-type': 'application/x-ndjson' };
  const body = JSON.stringify(record('a', 1));
  const sent = await stage.http.send('POST', '/api/v1/conventions/tests/ingestions', { headers, body });
  expect(sent.status, sent.text).toBeLessThan(300);
}

test('renews its leases in time and keeps its batches', async () => {
  const { port } = stage.http;
  await begin(3 * leaseSeconds);
  const batch = async () => {
    const [row] = await database.sql<{ status: string; fence: string; lost: number; left: number | null }[]>`
      select status, fence, lost, extract(epoch from lease_until - clock_timestamp())::float8 as left
      from batches`;
    return row;
  };
  await until('the batch to run', async () => (await batch())?.status === 'running');
  const page = 'GET /api/v1/conventions HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const flood = await deafFlood(port, 200, page);
  const readers = hangUps(port, 40, '/api/v1/data/test-record/records?limit=1000', 300);
  let least = Number.POSITIVE_INFINITY;
  const ended = await until(
    'the batch to end',
    async () => {
      const found = await batch();
      if (found?.status === 'running') least = Math.min(least, found.left ?? least);
      return found?.status !== 'running' && found;
    },
    60_000,
  );
  await Promise.all([flood.stop(), readers.stop()]);
  expect(ended).toMatchObject({ status: 'done', lost: 0 });
  expect(Number(ended.fence)).toBe(1);
  // It renews every third of a lease; more than half of one is always left.
  expect(least).toBeGreaterThan(leaseSeconds / 2);
});
