import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '@osa/daemon/config/read-settings';
import { storageOf } from '@osa/daemon/config/storage';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, ndjson, testDaemon } from '../support/daemon-support.ts';
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
