import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '@osa/daemon/config/read-settings';
import { storageOf } from '@osa/daemon/config/storage';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import {
  declaration,
  deployHook,
  deployRequest,
  ndjson,
  type TestDaemon,
  testDaemon,
  uploaded,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { type FakeS3, fakeCredentials, fakeS3 } from '../support/s3/fake.ts';

/** A daemon whose store is S3-compatible, and its settings. */

let fake: FakeS3;
beforeEach(async () => {
  fake = await fakeS3();
});
afterEach(() => fake.close());

const storage = () => ({ target: fake.target, credentials: fakeCredentials, cacheBytes: 2 ** 20 });

test('packed hooks go into the store, and run from there, also after it was away', async () => {
  const daemon = await testDaemon({ storage: storage() });
  try {
    const code = hookCode('return { features: [{ value: metadata.value }] };');
    await deployHook(daemon, code, 'stored');
    expect([...fake.objects.keys()]).toEqual([expect.stringMatching(/^osa\/test\/[0-9a-f]{64}$/)]);
    fake.fault = (line) =>
      /^(GET|HEAD) osa/.test(line) ? { answer: 507, code: 'QuotaExceeded' } : undefined;
    const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(3) });
    await until('a failed read', async () => fake.requests.some((line) => /^(GET|HEAD) osa/.test(line)));
    fake.fault = () => undefined;
    await until('the rows', async () => {
      const shown = await daemon.call('showIngestion', { params: { id } });
      return shown.status === 'completed' && shown.published === 3;
    });
  } finally {
    await daemon.close();
  }
});

test('files of records go into the store; a hook reads them from there, and so do readers', async () => {
  const daemon = await testDaemon({ storage: storage() });
  try {
    const code = hookCode(`
      const text = readFileSync(process.env.OSA_FILES + '/' + id + '/a.txt', 'utf8');
      return { features: [{ value: text.length }] };`);
    const digest = await uploaded(daemon, code);
    const rules = { accepted_types: [], min_count: 1, max_count: 1, max_file_size: 20_000_000 };
    await daemon.call('deploy', {
      json: { ...deployRequest([declaration('reads', digest)]), file_requirements: rules },
    });
    const bytes = Buffer.alloc(9_000_000, 'what a record comes with ');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const put = async () =>
      daemon.send('PUT', `/api/v1/conventions/tests/files/${sha256}?size=${bytes.length}`, {
        headers: {
          authorization: await daemon.bearer(['ingestions:write']),
          'content-type': 'application/octet-stream',
        },
        body: bytes,
      });
    fake.fault = (line) =>
      line.includes('partNumber=2') ? { answer: 507, code: 'QuotaExceeded' } : undefined;
    const refused = await put();
    expect(refused.status).toBe(503);
    expect(daemon.log.join('')).toContain('it is full');
    expect(fake.uploads.size).toBe(0);
    fake.fault = () => undefined;
    expect((await put()).status).toBe(200);
    expect(fake.objects.get(`osa/test/${sha256}`)?.bytes.equals(bytes)).toBe(true);
    // Another machine has no copy.
    await rm(join(daemon.directory, 'data/cache', sha256.slice(0, 2)), { recursive: true });
    const line = {
      source_id: 'r',
      metadata: { value: 1 },
      files: [{ name: 'a.txt', sha256, size: bytes.length }],
    };
    const { id } = await daemon.call('ingest', {
      params: { slug: 'tests' },
      body: `${JSON.stringify(line)}\n`,
    });
    await until('the record', async () => {
      const shown = await daemon.call('showIngestion', { params: { id } });
      return shown.status === 'completed' && shown.published === 1;
    });
    const { rows } = await valuesOf(daemon);
    expect(rows).toEqual([bytes.length]);
    const [record = ''] = await records(daemon);
    const path = `/api/v1/data/records/${record}/files/a.txt`;
    const part = await daemon.send('GET', path, { headers: { range: 'bytes=5-11' } });
    expect([part.status, part.text]).toEqual([206, bytes.subarray(5, 12).toString()]);
    await rm(join(daemon.directory, 'data/cache', sha256.slice(0, 2)), { recursive: true });
    fake.fault = (line) => (line.startsWith('GET osa') ? { answer: 409, code: 'BrokenMPU' } : undefined);
    const broken = await daemon.send('GET', path);
    expect([broken.status, broken.problem?.code]).toEqual([500, 'damaged']);
    expect(daemon.log.join('')).toContain(`${sha256} at`);
    fake.fault = () => undefined;
    expect((await daemon.send('GET', path)).status).toBe(200);
    // A copy that is damaged is fetched again; an object that is damaged is never served.
    const object = fake.objects.get(`osa/test/${sha256}`);
    object?.bytes.fill(0, 100, 101);
    await rm(join(daemon.directory, 'data/cache', sha256.slice(0, 2)), { recursive: true });
    const damaged = await daemon.send('GET', path, { headers: { range: 'bytes=5-11' } });
    expect([damaged.status, damaged.problem?.code]).toEqual([500, 'damaged']);
    expect(damaged.text).not.toContain(daemon.directory);
    expect(daemon.log.join('')).toContain(`the blob sha256:${sha256} is damaged in the store`);
  } finally {
    await daemon.close();
  }
}, 60_000);

async function valuesOf(daemon: TestDaemon) {
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const rows = await sql<{ value: number }[]>`select value from features.reads`;
  return { rows: rows.map(({ value }) => value) };
}

async function records(daemon: TestDaemon) {
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const rows = await sql<{ record_id: string }[]>`select record_id from records`;
  return rows.map(({ record_id }) => record_id);
}

test('does not start with a store that refuses it, and logs no secret', async () => {
  const credentials = { ...fakeCredentials, secretAccessKey: 'nobody-may-read-this' };
  const starting = testDaemon({ storage: { ...storage(), credentials } });
  await expect(starting).rejects.toMatchObject({
    code: 'unavailable',
    details: { code: 'SignatureDoesNotMatch' },
  });
  await expect(starting).rejects.toThrow(/^((?!nobody-may-read-this).)*$/);
});

test('reads the settings of a store, and the secret from a file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'osa-secret-'));
  const file = join(directory, 'secret');
  await writeFile(file, 'a/secret+key\n', { mode: 0o600 });
  const given = {
    OSA_STORAGE: 's3://archive/osa?endpoint=https://s3.example.org',
    OSA_S3_ACCESS_KEY_ID: 'AKID',
    OSA_S3_SECRET_ACCESS_KEY_FILE: file,
  };
  expect(storageOf(readSettings({}))).toBeUndefined();
  expect(storageOf(readSettings(given))).toMatchObject({
    target: { bucket: 'archive', prefix: 'osa/' },
    credentials: { accessKeyId: 'AKID', secretAccessKey: 'a/secret+key' },
    cacheBytes: 10 * 2 ** 30,
  });
  const wrong: Record<string, string | undefined>[] = [
    { OSA_S3_ACCESS_KEY_ID: '' },
    { OSA_S3_SECRET_ACCESS_KEY_FILE: '' },
    { OSA_S3_SECRET_ACCESS_KEY: 'another' },
    { OSA_S3_SECRET_ACCESS_KEY_FILE: join(directory, 'none') },
    { OSA_STORAGE: '/var/lib/osa' },
  ];
  for (const changes of wrong) {
    const [name = ''] = Object.keys(changes);
    expect(() => storageOf(readSettings({ ...given, ...changes }))).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(name) }),
    );
  }
  await writeFile(file, 'x', { mode: 0o644 });
  await rm(file);
  await writeFile(file, 'open', { mode: 0o644 });
  expect(() => storageOf(readSettings(given))).toThrow(/others may use it/);
  await rm(directory, { recursive: true });
});
