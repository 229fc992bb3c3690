import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { whileWanted } from '@osa/core/postgres/connection/connect';
import { cachedStores } from '@osa/core/storage/cache';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import type { BlobStore } from '@osa/core/storage/index';
import { s3Blobs } from '@osa/core/storage/s3/s3';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { blobStoreContract } from '../contract/blob-store.ts';
import { until } from '../support/database/database.ts';
import { type FakeS3, fakeCredentials, fakeS3 } from '../support/s3/fake.ts';

blobStoreContract('a store with copies', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'osa-cache-'));
  const place = (name: string) =>
    join(directory, 'remote', /^[0-9a-f]{64}$/.test(name) ? join(name.slice(0, 2), name.slice(2)) : name);
  const remote = filesystemBlobs(join(directory, 'remote'));
  return {
    store: cachedStores(remote, { directory: join(directory, 'cache'), maxBytes: 2 ** 30 }).blobs,
    kept: async () =>
      (await readdir(join(directory, 'remote'), { recursive: true, withFileTypes: true })).filter((one) =>
        one.isFile(),
      ).length,
    plant: (name, bytes) => writeFile(place(name), bytes),
    close: () => rm(directory, { recursive: true }),
  };
});

let fake: FakeS3;
let directory: string;
beforeEach(async () => {
  fake = await fakeS3();
  directory = await mkdtemp(join(tmpdir(), 'osa-cache-'));
});
afterEach(async () => {
  await fake.close();
  await rm(directory, { recursive: true });
});

async function cached(maxBytes: number) {
  const remote = s3Blobs({ target: fake.target, credentials: fakeCredentials, patience: { tries: 1 } });
  const put = async (length: number) => {
    const bytes = randomBytes(length);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await remote.put(sha256, Readable.from([bytes]), { maxBytes: length });
    return { bytes, sha256 };
  };
  const { blobs: store, files } = cachedStores(remote, { directory, maxBytes });
  const read = async (sha256: string) => buffer(await store.open(sha256));
  const gets = () => fake.requests.filter((line) => line.startsWith('GET')).length;
  const copies = async () =>
    (await Array.fromAsync(filesystemBlobs(directory).list())).map(({ sha256 }) => sha256);
  return { put, read, gets, copies, store, files };
}

test('fetches a blob once, however many read it', async () => {
  const { put, read, gets } = await cached(2 ** 20);
  const { bytes, sha256 } = await put(100_000);
  const all = await Promise.all(Array.from({ length: 8 }, () => read(sha256)));
  expect(all.every((one) => one.equals(bytes))).toBe(true);
  await read(sha256);
  expect(gets()).toBe(1);
});

test('ends a fetch that nobody waits for any more, and keeps nothing of it', async () => {
  const { put, store, copies } = await cached(2 ** 30);
  const { bytes, sha256 } = await put(1_000_000);
  const [fetching, going] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const pace = { onPiece: fetching.resolve, go: going.promise };
  const remote = s3Blobs({ target: fake.target, credentials: fakeCredentials });
  const slow: BlobStore = {
    ...remote,
    open: async (key) => slowly(await remote.open(key), pace),
  };
  const { files } = cachedStores(slow, { directory, maxBytes: 2 ** 30 });
  const [first, second] = [new AbortController(), new AbortController()];
  const gone = new Error('gone');
  const results = [first, second].map(({ signal }) => whileWanted(signal, () => files.open(sha256)));
  for (const result of results) result.catch(() => undefined);
  await fetching.promise;
  first.abort(gone);
  await expect(results[0]).rejects.toBe(gone);
  expect(await readdir(join(directory, 'incoming'))).toHaveLength(1);
  second.abort(gone);
  await expect(results[1]).rejects.toBe(gone);
  going.resolve();
  await until('the part to go', async () => (await readdir(join(directory, 'incoming'))).length === 0);
  expect(await copies()).toEqual([]);
  expect(await buffer(await store.open(sha256))).toEqual(bytes);
});

/** The first piece of a stream, and the others once `go` is done. */
function slowly(source: Readable, { onPiece, go }: { onPiece: () => void; go: Promise<void> }): Readable {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      yield piece;
      onPiece();
      await go;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}

test('reads a copy while the store is away, and says so for what it has no copy of', async () => {
  const { put, read } = await cached(2 ** 20);
  const [known, other] = [await put(1_000), await put(1_000)];
  await read(known.sha256);
  fake.fault = () => ({ close: 'before' });
  expect(await read(known.sha256)).toEqual(known.bytes);
  await expect(read(other.sha256)).rejects.toMatchObject({ code: 'unavailable' });
});

test('fetches a damaged copy again', async () => {
  const { put, read, gets } = await cached(2 ** 20);
  const { bytes, sha256 } = await put(1_000);
  await read(sha256);
  await writeFile(join(directory, sha256.slice(0, 2), sha256.slice(2)), Buffer.from(bytes).fill(0, 999));
  expect(await read(sha256)).toEqual(bytes);
  expect(gets()).toBe(2);
});

/** One bit is another at this place. */
function flipped(bytes: Buffer, at: number): Buffer {
  const other = Buffer.from(bytes);
  other.writeUInt8(other.readUInt8(at) ^ 1, at);
  return other;
}

test('bytes damaged in the store, in the copy or in both are never given; restored ones are', async () => {
  const { put, store, files, copies } = await cached(2 ** 20);
  const remote = s3Blobs({ target: fake.target, credentials: fakeCredentials, patience: { tries: 1 } });
  const { bytes, sha256 } = await put(1_000);
  const place = join(directory, sha256.slice(0, 2), sha256.slice(2));
  const damageObject = (to: Buffer) => fake.objects.get(`osa/test/${sha256}`)?.bytes.set(to);
  const part = { start: 10, end: 19 };
  const given = async () => [
    await buffer(await files.open(sha256, part)),
    await buffer(await store.open(sha256)),
  ];
  const whole = [bytes.subarray(10, 20), bytes];
  const named = { code: 'unavailable', details: { sha256 } };
  expect(await given()).toEqual(whole);
  // The object: whoever reads the store itself finds it, readers have the copy.
  damageObject(flipped(bytes, 500));
  await expect(buffer(await remote.open(sha256))).rejects.toMatchObject(named);
  expect(await given()).toEqual(whole);
  // Both: neither is given, though the part that is asked for is whole, and no damaged copy is kept.
  await writeFile(place, flipped(bytes, 999), { mode: 0o600 });
  await expect(files.open(sha256, part)).rejects.toMatchObject(named);
  await expect(store.open(sha256)).rejects.toMatchObject(named);
  await expect(files.link(sha256, join(directory, 'link'))).rejects.toMatchObject(named);
  expect(await copies()).toEqual([]);
  // The copy.
  damageObject(bytes);
  expect(await given()).toEqual(whole);
  await writeFile(place, flipped(bytes, 0), { mode: 0o600 });
  expect(await given()).toEqual(whole);
  expect((await readFile(place)).equals(bytes)).toBe(true);
});

test('keeps within its bound: what nobody has read for longest goes first', async () => {
  // All uses fall into one millisecond.
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const { put, read, copies } = await cached(2_500);
  const [first, second, third] = [await put(1_000), await put(1_000), await put(1_000)];
  for (const { sha256 } of [first, second, first, third]) await read(sha256);
  expect(await copies()).toEqual([first.sha256, third.sha256].sort());
  const large = await put(5_000);
  expect(await read(large.sha256)).toEqual(large.bytes);
  expect(await copies()).toEqual([large.sha256]);
});

test('forgets the copy of a blob that it removes', async () => {
  const { put, read, store, copies } = await cached(2 ** 20);
  const { sha256 } = await put(1_000);
  await read(sha256);
  await store.remove(sha256);
  expect(await copies()).toEqual([]);
  await expect(read(sha256)).rejects.toMatchObject({ code: 'not_found' });
});

test('a sender whose last part came while the store was away need not send again; others must send all bytes', async () => {
  const { files } = await cached(2 ** 20);
  const bytes = randomBytes(1_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const send = (sender: string, sent: Buffer) =>
    files.receive(sha256, Readable.from([sent]), { sender, offset: 0, size: bytes.length });
  fake.fault = () => ({ close: 'before' });
  await expect(send('ada', bytes)).rejects.toMatchObject({ code: 'unavailable' });
  fake.fault = () => undefined;
  expect((await send('ben', bytes.subarray(0, 10))).stored).toBeUndefined();
  expect((await send('ada', Buffer.alloc(0))).stored?.size).toBe(bytes.length);
  expect((await send('cy', Buffer.alloc(0))).stored).toBeUndefined();
});

/** How many times a file is open in this process. */
async function opened(path: string): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target === path).length;
}

// A file that is collected as garbage while it is open ends the process.
test.skipIf(process.platform !== 'linux').each([
  ['before it is read', 0],
  ['while it is read', 2],
])('closes a file that a store does not take: %s', async (_when, after) => {
  const { files } = await cached(2 ** 30);
  const bytes = randomBytes(20 * 2 ** 20);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const path = join(await realpath(directory), sha256.slice(0, 2), sha256.slice(2));
  fake.fault = () => (fake.requests.length > after ? { close: 'before' } : undefined);
  const part = { sender: 'ada', offset: 0, size: bytes.length };
  const sending = files.receive(sha256, Readable.from([bytes]), part);
  await expect(sending).rejects.toMatchObject({ code: 'unavailable' });
  expect((await stat(path)).size).toBe(bytes.length);
  await until('the file to be closed', async () => (await opened(path)) === 0);
});
