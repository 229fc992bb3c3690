import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Patience, s3Client } from '@osa/core/storage/s3/request';
import { requireStore, s3Blobs } from '@osa/core/storage/s3/s3';
import { signed } from '@osa/core/storage/s3/sign';
import { s3Target } from '@osa/core/storage/s3/target';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { blobStoreContract } from '../contract/blob-store.ts';
import { type FakeS3, type Fault, fakeCredentials, fakeS3 } from '../support/s3/fake.ts';

const patience: Partial<Patience> = { tries: 4, waitMs: 1, mostWaitMs: 5, timeoutMs: 5_000 };
const storeOf = ({ target }: FakeS3, changed: Partial<Patience> = {}) =>
  s3Blobs({ target, credentials: fakeCredentials, patience: { ...patience, ...changed } });

blobStoreContract('s3Blobs on the strict fake', async () => {
  const fake = await fakeS3();
  return {
    store: storeOf(fake),
    kept: async () => fake.objects.size + fake.uploads.size,
    plant: async (name, bytes) => {
      fake.objects.set(`${fake.target.prefix}${name}`, {
        bytes: Buffer.from(bytes),
        at: new Date(),
        etag: '"x"',
      });
    },
    close: () => fake.close(),
  };
});

describe('a store that misbehaves', () => {
  let fake: FakeS3;
  beforeEach(async () => {
    fake = await fakeS3();
  });
  afterEach(() => fake.close());

  /** The first request whose line matches gets the fault, `times` times. */
  const once = (pattern: RegExp, fault: Fault, times = 1) => {
    let left = times;
    fake.fault = (line) => {
      if (!pattern.test(line) || left === 0) return undefined;
      left -= 1;
      return fault;
    };
  };
  const large = randomBytes(9 * 2 ** 20);
  const small = Buffer.from('a small blob');
  const put = (bytes: Buffer, store = storeOf(fake)) =>
    store.put(sha256(bytes), Readable.from([bytes]), { maxBytes: bytes.length });
  const read = async (bytes: Buffer) => buffer(await storeOf(fake).open(sha256(bytes)));

  test.each<[string, Fault]>([
    ['503', { answer: 503, code: 'ServiceUnavailable' }],
    ['slow down', { answer: 503, code: 'SlowDown', headers: { 'retry-after': '1' } }],
    ['500', { answer: 500, code: 'InternalError' }],
    ['429 of a proxy', { answer: 429, code: '' }],
    ['a closed connection', { close: 'before' }],
    ['a lost answer', { close: 'after' }],
  ])('goes on after %s at any request', async (_, fault) => {
    const steps: [Buffer, RegExp[]][] = [
      [small, [/^PUT [^?]*$/, /^HEAD/, /^GET osa/]],
      [large, [/^POST .*uploads/, /partNumber=2/, /^POST .*uploadId/]],
    ];
    for (const [bytes, patterns] of steps) {
      for (const pattern of patterns) {
        once(pattern, fault, 2);
        expect(await put(bytes)).toEqual({ size: bytes.length });
        expect((await read(bytes)).equals(bytes)).toBe(true);
        expect(fake.requests.filter((line) => pattern.test(line)).length).toBeGreaterThan(2);
        fake.requests.length = 0;
      }
    }
    fake.fault = () => undefined;
    await storeOf(fake).removeUnfinished(new Date(Date.now() + 1_000));
    expect([fake.objects.size, fake.uploads.size]).toEqual([2, 0]);
  });

  test('takes a join for done whose answer was lost, since the object is there', async () => {
    once(/^POST .*uploadId/, { close: 'after' });
    expect(await put(large)).toEqual({ size: large.length });
    expect(fake.requests.filter((line) => /^POST .*uploadId/.test(line))).toHaveLength(2);
    expect((await read(large)).equals(large)).toBe(true);
  });

  test('does not take a join for done whose upload the store has lost', async () => {
    fake.fault = (line) => {
      if (/^POST .*uploadId/.test(line)) fake.uploads.clear();
      return undefined;
    };
    await expect(put(large)).rejects.toMatchObject({ code: 'unavailable' });
    expect(fake.objects.size).toBe(0);
  });

  test('joins again when the error comes in an answer of 200', async () => {
    // The fake joins and says that it did not; the upload is gone, and the object is there.
    once(/^POST .*uploadId/, { lateError: 'InternalError' });
    expect(await put(large)).toEqual({ size: large.length });
    expect(fake.requests.filter((line) => /^POST .*uploadId/.test(line))).toHaveLength(2);
  });

  test('goes on reading where a body breaks off, with a range of the same object', async () => {
    await put(large);
    once(/^GET/, { tornAfter: 3 * 2 ** 20 }, 2);
    expect((await read(large)).equals(large)).toBe(true);
    expect(fake.requests.filter((line) => line.startsWith('GET'))).toHaveLength(3);
  });

  test('does not mix two objects when one is replaced while it is read', async () => {
    await put(large);
    let count = 0;
    fake.fault = (line) => {
      if (!line.startsWith('GET')) return undefined;
      count += 1;
      if (count === 1) return { tornAfter: 1_000_000 };
      const object = fake.objects.get(`${fake.target.prefix}${sha256(large)}`);
      if (object) object.etag = '"another"';
      return undefined;
    };
    await expect(read(large)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('gives up a store that is silent, after a bounded time in all tries', async () => {
    const store = storeOf(fake, { tries: 9, timeoutMs: 200, silenceMs: 400 });
    await put(small);
    await put(large);
    const stalled: [string, RegExp, () => Promise<unknown>, number][] = [
      ['a small upload', /^PUT [^?]*$/, () => put(small, store), 2],
      ['the beginning of a large upload', /^POST .*uploads/, () => put(large, store), 2],
      ['a part', /partNumber=1/, () => put(large, store), 1],
      ['a look', /^HEAD/, () => store.find(sha256(small)), 2],
      ['a list', /list-type/, () => Array.fromAsync(store.list()), 2],
      ['a reading', /^GET osa/, async () => buffer(await store.open(sha256(large))), 2],
    ];
    for (const [name, pattern, use, tries] of stalled) {
      fake.requests.length = 0;
      fake.fault = (line) => (pattern.test(line) ? { hang: true } : undefined);
      const failure = use();
      await expect(failure, name).rejects.toMatchObject({
        code: 'unavailable',
        details: { code: 'timeout', fault: 'silent' },
      });
      expect(
        fake.requests.filter((line) => pattern.test(line)),
        name,
      ).toHaveLength(tries);
      expect(fake.requests.at(-1), name).toMatch(pattern);
    }
  });

  test('goes on with a store that was silent once', async () => {
    const store = storeOf(fake, { timeoutMs: 500, silenceMs: 5_000 });
    for (const [bytes, pattern] of [
      [small, /^PUT [^?]*$/],
      [large, /^POST .*uploads/],
    ] as const) {
      once(pattern, { hang: true });
      expect(await put(bytes, store)).toEqual({ size: bytes.length });
    }
    once(/^GET osa/, { hang: true });
    expect((await buffer(await store.open(sha256(large)))).equals(large)).toBe(true);
  });

  test('does not cut bodies that take longer than its patience and make progress', async () => {
    const slow = { ...patience, timeoutMs: 1_500, silenceMs: 1_500 };
    await put(large);
    once(/^GET osa/, { pausing: 600 });
    expect((await buffer(await storeOf(fake, slow).open(sha256(large)))).equals(large)).toBe(true);
    expect(fake.requests.filter((line) => line.startsWith('GET'))).toHaveLength(1);
    // Far more than the kernel takes of it at once.
    const body = Buffer.alloc(48 * 2 ** 20, 'x');
    fake.pauseMs = 80;
    const client = s3Client({ target: fake.target, credentials: fakeCredentials, patience: slow });
    await client.send({ method: 'PUT', key: 'osa/test/huge', body }, (answer) => answer.text());
    expect(fake.requests.filter((line) => line === 'PUT osa/test/huge')).toHaveLength(1);
    expect(fake.objects.get('osa/test/huge')?.bytes.equals(body)).toBe(true);
  });

  test('gives up a body that stalls, and a store that is silent from then on', async () => {
    await put(large);
    let gets = 0;
    fake.fault = (line) => {
      if (!line.startsWith('GET')) return undefined;
      gets += 1;
      return gets === 1 ? { stallAfter: 1_000 } : { hang: true };
    };
    const store = storeOf(fake, { tries: 9, timeoutMs: 200, silenceMs: 400 });
    await expect(buffer(await store.open(sha256(large)))).rejects.toMatchObject({ code: 'unavailable' });
    expect(gets).toBeLessThan(5);
  });

  test('gives up a store that breaks off every time', async () => {
    await put(large);
    fake.fault = (line) => (line.startsWith('GET') ? { tornAfter: 10 } : undefined);
    await expect(read(large)).rejects.toMatchObject({ code: 'unavailable' });
    expect(fake.requests.filter((line) => line.startsWith('GET')).length).toBeLessThan(10);
  });

  test('removes the parts of an upload that fails', async () => {
    fake.fault = (line) =>
      line.includes('partNumber=2') ? { answer: 507, code: 'QuotaExceeded' } : undefined;
    await expect(put(large)).rejects.toMatchObject({
      code: 'unavailable',
      details: { code: 'QuotaExceeded' },
    });
    expect([fake.objects.size, fake.uploads.size]).toEqual([0, 0]);
  });

  test('removes unfinished uploads that are old enough, and no others', async () => {
    const key = `${fake.target.prefix}${'a'.repeat(64)}`;
    const old = new Date(Date.now() - 7_200_000);
    fake.uploads.set('old', { key, at: old, parts: new Map() });
    fake.uploads.set('new', { key, at: new Date(), parts: new Map() });
    fake.uploads.set('of others', { key: `${fake.target.prefix}other`, at: old, parts: new Map() });
    fake.uploads.set('elsewhere', { key: 'b'.repeat(64), at: old, parts: new Map() });
    expect(await storeOf(fake).removeUnfinished(new Date(Date.now() - 3_600_000))).toBe(1);
    expect([...fake.uploads.keys()]).toEqual(['new', 'of others', 'elsewhere']);
  });

  test.each<[string, Fault, string, RegExp]>([
    ['full', { answer: 507, code: 'XMinioStorageFull' }, 'XMinioStorageFull', /full/],
    ['over its quota', { answer: 403, code: 'QuotaExceeded' }, 'QuotaExceeded', /full/],
    ['read-only', { answer: 405, code: 'MethodNotAllowed' }, 'MethodNotAllowed', /read-only/],
    ['without the right', { answer: 403, code: 'AccessDenied' }, 'AccessDenied', /rights/],
    ['without the bucket', { answer: 404, code: 'NoSuchBucket' }, 'NoSuchBucket', /no such bucket/],
    ['elsewhere', { answer: 301, code: 'PermanentRedirect' }, 'PermanentRedirect', /region/],
    ['busy for long', { answer: 503, code: 'SlowDown' }, 'SlowDown', /fewer requests/],
    ['slow', { hang: true }, 'timeout', /in time/],
    ['gone', { close: 'before' }, 'ECONNRESET', /cannot be reached/],
  ])('names a store that is %s', async (_, fault, code, message) => {
    fake.fault = () => fault;
    const store = storeOf(fake, { timeoutMs: 100, tries: 2 });
    const failure = put(small, store);
    await expect(failure).rejects.toMatchObject({ code: 'unavailable', details: { code } });
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toThrow('s3://archive/osa/test/');
  });

  test('names wrong credentials, and tells no secret', async () => {
    const secretAccessKey = 'a wrong secret that nobody may see';
    for (const [credentials, code] of [
      [{ accessKeyId: 'AKIDNOBODY', secretAccessKey }, 'InvalidAccessKeyId'],
      [{ ...fakeCredentials, secretAccessKey }, 'SignatureDoesNotMatch'],
    ] as const) {
      const error: unknown = await requireStore({ target: fake.target, credentials, patience }).catch(
        (one) => one,
      );
      expect(error).toMatchObject({ code: 'unavailable', details: { code } });
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(secretAccessKey);
    }
    await requireStore({ target: fake.target, credentials: fakeCredentials, patience });
  });

  test('names clocks that differ', async () => {
    fake.fault = () => ({
      answer: 403,
      code: 'RequestTimeTooSkewed',
      headers: { date: 'Thu, 01 Jan 1970 00:00:00 GMT' },
    });
    await expect(put(small)).rejects.toThrow(/clocks differ.*01 Jan 1970/);
  });

  test('does not follow a redirect with its signature', async () => {
    fake.fault = () => ({ answer: 307, code: '', headers: { location: 'http://127.0.0.1:1/' } });
    await expect(put(small)).rejects.toMatchObject({ details: { code: 'PermanentRedirect' } });
    expect(fake.requests).toHaveLength(1);
  });
});

/** The examples of Amazon's documentation of the signature in a header. */
test.each([
  [
    'GET',
    '/test.txt',
    { range: 'bytes=0-9' },
    '',
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'PUT',
    '/test%24file.text',
    { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
    'Welcome to Amazon S3.',
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  ['GET', '/?lifecycle', {}, '', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
  [
    'GET',
    '/?max-keys=2&prefix=J',
    {},
    '',
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
])('signs as Amazon does: %s %s', (method, path, headers, body, signature) => {
  const { authorization } = signed(
    {
      method,
      url: new URL(path, 'https://examplebucket.s3.amazonaws.com'),
      headers: headers as Record<string, string>,
      bodySha256: sha256(Buffer.from(body)),
    },
    {
      credentials: {
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      },
      region: 'us-east-1',
      at: new Date('2013-05-24T00:00:00Z'),
    },
  );
  expect(authorization).toContain(`Signature=${signature}`);
});

test.each([
  ['s3://archive', 'https://archive.s3.us-east-1.amazonaws.com/', ''],
  ['s3://archive/', 'https://archive.s3.us-east-1.amazonaws.com/', ''],
  ['s3://archive/a/b/?region=eu-central-1', 'https://archive.s3.eu-central-1.amazonaws.com/', 'a/b/'],
  ['s3://my.archive/x', 'https://s3.us-east-1.amazonaws.com/my.archive/', 'x/'],
  ['s3://archive/x?endpoint=http://127.0.0.1:9000', 'http://127.0.0.1:9000/archive/', 'x/'],
  [
    's3://archive?endpoint=https://s3.example.org/base/&style=host',
    'https://archive.s3.example.org/base/',
    '',
  ],
])('reads %s', (text, url, prefix) => {
  const target = s3Target(text, 'OSA_STORAGE');
  expect([String(target.url), target.prefix]).toEqual([url, prefix]);
});

test.each([
  'archive',
  '/var/lib/osa',
  'https://archive.s3.amazonaws.com',
  's3://',
  's3://UPPER_case',
  's3://archive/../x%2e',
  's3://archive/a b',
  's3://key:secret@archive',
  's3://archive?endpoint=ftp://host',
  's3://archive?endpoint=https://key:secret@host',
  's3://archive?endpoint=https://host/?x=1',
  's3://archive?endpoint=https://a&endpoint=https://b',
  's3://archive?region=a%20b',
  's3://archive?style=other',
  's3://archive?secret=x',
])('refuses %s, and shows no secret', (text) => {
  expect(() => s3Target(text, 'OSA_STORAGE')).toThrow(
    expect.objectContaining({ code: 'usage', message: expect.not.stringContaining('key:secret') }),
  );
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
