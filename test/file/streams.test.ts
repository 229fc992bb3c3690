import { createHash } from 'node:crypto';
import { chmod, readdir, readlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { httpLimits } from '@osa/daemon/http/limits';
import { afterEach, expect, test } from 'vitest';
import { deployRequest, rawConnection, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** The most that readers of stored files and of tables as files may take from everybody else. */

const bytes = Buffer.alloc(100_000, 'abc');
const sha256 = createHash('sha256').update(bytes).digest('hex');

let daemon: TestDaemon;
afterEach(() => daemon.close());

/** A daemon with a record that has a file; gives the file's path in its API. */
async function withFile(http: object): Promise<string> {
  daemon = await testDaemon({ http });
  const rules = { accepted_types: [], min_count: 0, max_count: 3, max_file_size: 200_000 };
  await daemon.call('deploy', { json: { ...deployRequest(), file_requirements: rules } });
  const headers = {
    authorization: await daemon.bearer(['ingestions:write:tests']),
    'content-type': 'application/octet-stream',
  };
  const url = `/api/v1/conventions/tests/files/${sha256}?size=${bytes.length}`;
  expect((await daemon.send('PUT', url, { headers, body: bytes })).status).toBe(200);
  const file = { name: 'f', sha256, size: bytes.length };
  const body = `${JSON.stringify({ source_id: 'r', metadata: { value: 1 }, files: [file] })}\n`;
  const ingestion = await daemon.call('ingest', { params: { slug: 'tests' }, body });
  const id = await until('the record', async () => {
    const { items } = await daemon.call('listIngestionRecords', { params: { id: ingestion.id } });
    return items[0]?.record_srn ?? undefined;
  });
  return `/api/v1/data/records/${id}/files/f`;
}

/** How many times the stored file is open in this process, where the daemon runs. */
async function opened(): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target === stored()).length;
}

const stored = () => join(daemon.directory, 'data/blobs', sha256.slice(0, 2), sha256.slice(2));

async function ask(path: string) {
  const connection = await rawConnection(daemon.port);
  connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-0\r\n\r\n`);
  return connection;
}

test('readers of a file that is compared hold nobody else up, share one reading, and end it when they go', async () => {
  const path = await withFile({});
  await chmod(stored(), 0o644);
  // It takes half a minute to read, and is never read to its end here.
  await truncate(stored(), 40 * 2 ** 30);
  const readers = await Promise.all(Array.from({ length: 20 }, () => ask(path)));
  await until('the reading to begin', async () => (await opened()) === 1);
  const started = performance.now();
  for (let n = 0; n < 10; n += 1) expect((await daemon.send('GET', '/api/v1/hooks')).status).toBe(200);
  expect(performance.now() - started).toBeLessThan(httpLimits.readWaitMs);
  expect(await opened()).toBe(1);
  const [first, ...others] = readers;
  for (const { socket } of others) socket.resetAndDestroy();
  await Promise.all(others.map(({ closed }) => closed));
  await daemon.send('GET', '/health');
  expect(await opened()).toBe(1);
  first?.socket.resetAndDestroy();
  await until('the reading to end', async () => (await opened()) === 0);
});

test('without a token a file is paid for by the bytes asked for, and not by a look at its headers', async () => {
  const path = await withFile({ anonymousBytes: 250_000 });
  const get = (headers = {}) => daemon.send('GET', path, { headers });
  for (let n = 0; n < 5; n += 1) {
    const { status, headers, text } = await daemon.send('HEAD', path);
    expect([status, headers['content-length'], text]).toEqual([200, '100000', '']);
  }
  for (let n = 0; n < 5; n += 1) expect((await get({ range: 'bytes=5-9' })).status).toBe(206);
  for (let n = 0; n < 3; n += 1) expect((await get()).status).toBe(200);
  const refused = await get();
  expect([refused.status, refused.problem?.details]).toMatchObject([429, { unit: 'bytes' }]);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1);
  expect((await get({ authorization: await daemon.bearer([]) })).status).toBe(200);
});

test('without a token a table as a file is paid for by its bytes', async () => {
  await withFile({ anonymousBytes: 2_000 });
  const get = () => daemon.send('GET', '/api/v1/data/test-record/records.parquet');
  const answers = [await get(), await get(), await get(), await get(), await get()];
  const refused = answers.find(({ status }) => status === 429);
  expect(answers[0]?.status).toBe(200);
  expect(refused?.problem?.details).toMatchObject({ unit: 'bytes' });
});

test.each([
  ['tables', { tableStreams: { each: 0, all: 9 } }, 429],
  ['tables', { tableStreams: { each: 1, all: 0 } }, 503],
  ['files', { fileStreams: { each: 0, all: 9 } }, 429],
  ['files', { fileStreams: { each: 1, all: 0 } }, 503],
])('%s that are sent at a time are counted: %j', async (what, http, status) => {
  const file = await withFile(http);
  const refused = await daemon.send('GET', what === 'files' ? file : '/api/v1/data/test-record/records.csv');
  expect([refused.status, Number(refused.headers['retry-after']) > 0]).toEqual([status, true]);
  expect((await daemon.send('GET', '/api/v1/hooks')).status).toBe(200);
});

test('an answer that was sent makes room for the next', async () => {
  const file = await withFile({ tableStreams: { each: 1, all: 2 }, fileStreams: { each: 1, all: 2 } });
  for (let n = 0; n < 3; n += 1) {
    expect((await daemon.send('GET', file)).status).toBe(200);
    expect((await daemon.send('GET', '/api/v1/data/test-record/records.csv')).status).toBe(200);
  }
});
