import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { BlobStore } from '@osa/core/storage/index';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

export interface BlobStoreUnderTest {
  readonly store: BlobStore;
  /** Everything that the store keeps, finished or not: it must not grow when a write is refused. */
  kept(): Promise<number>;
  /** Changes the bytes of a blob behind the store's back, or puts a thing there that is not a blob. */
  plant(name: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** The promises of every blob store; `make` gives an empty one. */
export function blobStoreContract(name: string, make: () => Promise<BlobStoreUnderTest>): void {
  describe(`${name} as a blob store`, () => {
    let made: BlobStoreUnderTest;
    beforeEach(async () => {
      made = await make();
    });
    afterEach(() => made.close());

    test('gives back what was stored', async () => {
      const { store } = made;
      const bytes = pattern(200_000);
      expect(await store.find(sha256(bytes))).toBeUndefined();
      expect(await store.put(sha256(bytes), inPieces(bytes), { maxBytes: bytes.length })).toEqual({
        size: 200_000,
      });
      const found = await store.find(sha256(bytes));
      expect(found?.size).toBe(200_000);
      expect(Math.abs(Date.now() - Number(found?.storedAt))).toBeLessThan(60_000);
      expect(sha256(await buffer(await store.open(sha256(bytes))))).toBe(sha256(bytes));
    });

    test('stores an empty blob', async () => {
      const empty = Buffer.alloc(0);
      await made.store.put(sha256(empty), Readable.from([]), { maxBytes: 10 });
      expect(await buffer(await made.store.open(sha256(empty)))).toHaveLength(0);
    });

    test('stores the same blob again, also by many at once', async () => {
      const bytes = pattern(50_000);
      const put = () => made.store.put(sha256(bytes), inPieces(bytes), { maxBytes: bytes.length });
      await Promise.all(Array.from({ length: 8 }, put));
      await put();
      expect(await buffer(await made.store.open(sha256(bytes)))).toEqual(bytes);
      expect(await made.kept()).toBe(1);
    });

    test('refuses bytes that hash to something else and keeps nothing', async () => {
      const bytes = pattern(1_000);
      const other = sha256(pattern(1_001));
      await expect(made.store.put(other, inPieces(bytes), { maxBytes: 10_000 })).rejects.toMatchObject({
        code: 'invalid',
        details: { expected: other, found: sha256(bytes) },
      });
      expect(await made.store.find(other)).toBeUndefined();
      expect(await made.kept()).toBe(0);
    });

    test('stops as soon as a blob is too large, and leaves the source to its owner', async () => {
      let pieces = 0;
      async function* endless() {
        for (;;) {
          pieces += 1;
          yield pattern(1_000);
        }
      }
      const source = Readable.from(endless(), { highWaterMark: 1 });
      await expect(made.store.put('0'.repeat(64), source, { maxBytes: 10_000 })).rejects.toMatchObject({
        code: 'too_large',
      });
      expect(pieces).toBeLessThan(30);
      expect(source.destroyed).toBe(false);
      source.destroy();
      expect(await made.kept()).toBe(0);
    });

    test('keeps nothing of a source that fails', async () => {
      const failing = Readable.from(
        (async function* () {
          yield pattern(1_000);
          throw new Error('the connection is gone');
        })(),
      );
      await expect(made.store.put('1'.repeat(64), failing, { maxBytes: 10_000 })).rejects.toThrow(
        'the connection is gone',
      );
      expect(await made.kept()).toBe(0);
    });

    test.each([['all of one'], ['the last byte']])('never gives a damaged blob whole: %s', async (kind) => {
      const bytes = pattern(300_000);
      await made.store.put(sha256(bytes), inPieces(bytes), { maxBytes: bytes.length });
      const other = kind === 'all of one' ? pattern(10) : Buffer.from(bytes).fill(0, bytes.length - 1);
      await made.plant(sha256(bytes), other);
      let size = 0;
      const reading = (async () => {
        for await (const piece of await made.store.open(sha256(bytes))) size += (piece as Buffer).length;
      })();
      await expect(reading).rejects.toMatchObject({
        code: 'unavailable',
        details: { sha256: sha256(bytes), found: sha256(other) },
      });
      expect(size).toBeLessThan(other.length);
      await made.store.put(sha256(bytes), inPieces(bytes), { maxBytes: bytes.length });
      expect(await buffer(await made.store.open(sha256(bytes)))).toEqual(bytes);
    });

    test('stores and reads blobs of several parts, or exactly one', async () => {
      for (const length of [8 * 2 ** 20, 17 * 2 ** 20 + 5]) {
        const bytes = randomBytes(length);
        await made.store.put(sha256(bytes), inPieces(bytes, 1_000_003), { maxBytes: length });
        expect(sha256(await buffer(await made.store.open(sha256(bytes))))).toBe(sha256(bytes));
        expect((await made.store.find(sha256(bytes)))?.size).toBe(length);
      }
      expect(await made.kept()).toBe(2);
    });

    test('keeps nothing of a large blob with another digest', async () => {
      const bytes = randomBytes(9 * 2 ** 20);
      await expect(
        made.store.put('3'.repeat(64), inPieces(bytes, 500_000), { maxBytes: bytes.length }),
      ).rejects.toMatchObject({ code: 'invalid' });
      expect(await made.kept()).toBe(0);
    });

    test('lists all blobs in order, and foreign things', async () => {
      const all = Array.from({ length: 25 }, (_, index) => pattern(100 + index));
      for (const bytes of all) await made.store.put(sha256(bytes), inPieces(bytes), { maxBytes: 1_000 });
      await made.plant('a file & <more> +%20.txt', pattern(5));
      const listed = await Array.fromAsync(made.store.list());
      const blobs = listed.filter(({ sha256: digest }) => digest !== undefined);
      expect(blobs.map((one) => one.sha256)).toEqual(all.map(sha256).sort());
      expect(blobs.map(({ size }) => size).sort()).toEqual(all.map(({ length }) => length).sort());
      const [foreign, ...others] = listed.filter(({ sha256: digest }) => digest === undefined);
      expect(others).toEqual([]);
      expect(foreign).toMatchObject({ size: 5, name: expect.stringContaining('a file & <more> +%20.txt') });
      for (const { storedAt } of listed) expect(Math.abs(Date.now() - Number(storedAt))).toBeLessThan(60_000);
    });

    test('removes a blob, also one that is not there', async () => {
      const bytes = pattern(1_000);
      await made.store.put(sha256(bytes), inPieces(bytes), { maxBytes: 1_000 });
      await made.store.remove(sha256(bytes));
      await made.store.remove(sha256(bytes));
      expect(await made.store.find(sha256(bytes))).toBeUndefined();
      await expect(made.store.open(sha256(bytes))).rejects.toMatchObject({ code: 'not_found' });
      expect(await made.kept()).toBe(0);
    });

    test('removes what writers left, and not what one is writing', async () => {
      const bytes = randomBytes(9 * 2 ** 20);
      const [reached, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const source = Readable.from(
        (async function* () {
          yield bytes.subarray(0, 8.5 * 2 ** 20);
          reached.resolve();
          await go.promise;
          yield bytes.subarray(8.5 * 2 ** 20);
        })(),
        { highWaterMark: 1 },
      );
      const writing = made.store.put(sha256(bytes), source, { maxBytes: bytes.length });
      await reached.promise;
      expect(await made.store.removeUnfinished(new Date(Date.now() - 3_600_000))).toBe(0);
      expect(await Array.fromAsync(made.store.list())).toEqual([]);
      go.resolve();
      await writing;
      expect(await made.store.removeUnfinished(new Date(Date.now() + 3_600_000))).toBe(0);
      expect(sha256(await buffer(await made.store.open(sha256(bytes))))).toBe(sha256(bytes));
    });

    test('does not know a blob that was never stored', async () => {
      await expect(made.store.open('2'.repeat(64))).rejects.toMatchObject({ code: 'not_found' });
    });

    test.each(['', '../../etc/passwd', 'A'.repeat(64), `sha256:${'0'.repeat(64)}`, `${'0'.repeat(64)}\n`])(
      'refuses the key %j',
      async (key) => {
        await expect(made.store.remove(key)).rejects.toMatchObject({ code: 'invalid' });
        await expect(made.store.find(key)).rejects.toMatchObject({ code: 'invalid' });
        await expect(made.store.open(key)).rejects.toMatchObject({ code: 'invalid' });
        await expect(made.store.put(key, Readable.from([]), { maxBytes: 1 })).rejects.toMatchObject({
          code: 'invalid',
        });
      },
    );
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pattern(length: number): Buffer {
  return Buffer.alloc(length, 'the same bytes each time ');
}

function inPieces(bytes: Buffer, length = 7_001): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += length) pieces.push(bytes.subarray(at, at + length));
  return Readable.from(pieces);
}
