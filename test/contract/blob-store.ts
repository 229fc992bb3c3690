import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { BlobStore } from '@osa/core/storage/index';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

export interface BlobStoreUnderTest {
  readonly store: BlobStore;
  /** Everything that the store keeps, finished or not: it must not grow when a write is refused. */
  kept(): Promise<number>;
  close(): Promise<void>;
}

/** What every blob store promises; `make` gives an empty one. */
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
      expect(await store.has(sha256(bytes))).toBe(false);
      expect(await store.put(sha256(bytes), inPieces(bytes), { maxBytes: bytes.length })).toEqual({
        size: 200_000,
      });
      expect(await store.has(sha256(bytes))).toBe(true);
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
      expect(await made.store.has(other)).toBe(false);
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

    test('does not know a blob that was never stored', async () => {
      await expect(made.store.open('2'.repeat(64))).rejects.toMatchObject({ code: 'not_found' });
    });

    test.each(['', '../../etc/passwd', 'A'.repeat(64), `sha256:${'0'.repeat(64)}`, `${'0'.repeat(64)}\n`])(
      'refuses the key %j',
      async (key) => {
        await expect(made.store.has(key)).rejects.toMatchObject({ code: 'invalid' });
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

function inPieces(bytes: Buffer): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 7_001) pieces.push(bytes.subarray(at, at + 7_001));
  return Readable.from(pieces);
}
