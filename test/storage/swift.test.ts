import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { checkStore } from '@osa/core/storage/check';
import type { Inventory } from '@osa/core/storage/inventory';
import { s3Client } from '@osa/core/storage/s3/request';
import { requireStore, s3Blobs } from '@osa/core/storage/s3/s3';
import { s3Target } from '@osa/core/storage/s3/target';
import { texts } from '@osa/core/storage/s3/xml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blobStoreContract } from '../contract/blob-store.ts';
import { type Swift, startSwift, swiftMissing } from '../support/s3/swift.ts';

const missing = swiftMissing();
const isRequired = process.env.OSA_REQUIRE_CONTAINERS === '1';

test.skipIf(missing === undefined)(`a real S3 server can be started: ${missing}`, (context) => {
  if (!isRequired) context.skip();
  expect(missing).toBeUndefined();
});

describe.skipIf(missing !== undefined)('a real S3 server', () => {
  let swift: Swift;
  beforeAll(async () => {
    swift = await startSwift();
  }, 150_000);
  afterAll(() => swift?.close());

  blobStoreContract('s3Blobs on OpenStack Swift', async () => {
    const target = s3Target(await swift.bucket(), 'test');
    const { credentials } = swift;
    const client = s3Client({ target, credentials });
    const list = (query: Record<string, string>) =>
      client.send({ method: 'GET', key: '', query }, (answer) => answer.text());
    return {
      store: s3Blobs({ target, credentials }),
      kept: async () =>
        texts(await list({ 'list-type': '2' }), 'Contents').length +
        texts(await list({ uploads: '' }), 'Upload').length,
      plant: async (name, bytes) => {
        await client.send({ method: 'PUT', key: target.prefix + name, body: bytes }, async () => undefined);
      },
      close: async () => undefined,
    };
  });

  test('refuses a wrong secret, a key that it does not know, and a bucket that is not there', async () => {
    const target = s3Target(await swift.bucket(), 'test');
    const { accessKeyId } = swift.credentials;
    for (const [credentials, at, code] of [
      [{ accessKeyId, secretAccessKey: 'wrong' }, target, 'SignatureDoesNotMatch'],
      [{ accessKeyId: 'test:nobody', secretAccessKey: 'wrong' }, target, 'SignatureDoesNotMatch'],
      [
        swift.credentials,
        s3Target(`s3://no-such-bucket?endpoint=${target.url.origin}`, 'test'),
        'NoSuchBucket',
      ],
    ] as const) {
      const failure = requireStore({ target: at, credentials });
      await expect(failure).rejects.toMatchObject({ code: 'unavailable', details: { code } });
    }
    await requireStore({ target, credentials: swift.credentials });
  });

  test('a check names an object whose bytes were damaged there, also once Swift has taken it away', async () => {
    const { credentials } = swift;
    const store = s3Blobs({ target: s3Target(await swift.bucket(), 'test'), credentials });
    const known = new Set(await swift.objects());
    const bytes = randomBytes(100_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await store.put(sha256, Readable.from([bytes]), { maxBytes: bytes.length });
    const [path = '', ...others] = (await swift.objects()).filter((one) => !known.has(one));
    expect(others).toEqual([]);
    const kept = await readFile(path);
    kept.writeUInt8(kept.readUInt8(100) ^ 1, 100);
    await writeFile(path, kept);
    const named = [{ sha256, size: bytes.length }];
    const inventory: Inventory = {
      async *named() {
        yield* named;
      },
      isNamed: async () => true,
      unneeded: async () => [],
      forget: async () => false,
      forgetUses: async () => undefined,
    };
    const kinds = async () =>
      (await Array.fromAsync(checkStore(store, inventory, { reads: true, graceSeconds: 3_600 }))).map(
        ({ kind, name }) => [kind, name],
      );
    expect(await kinds()).toEqual([['damaged', sha256]]);
    expect(await store.find(sha256)).toBeUndefined();
    expect((await Array.fromAsync(store.list())).map((one) => one.sha256)).toEqual([sha256]);
    expect(await kinds()).toEqual([['missing', sha256]]);
  });
});
