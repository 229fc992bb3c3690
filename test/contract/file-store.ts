import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { FileStore } from '@osa/core/storage/index';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

export interface FileStoreUnderTest {
  readonly store: FileStore;
  /** Changes one byte of what is kept under a digest. */
  damage(sha256: string): Promise<void>;
  /** Removes it. */
  lose(sha256: string): Promise<void>;
  /** Everything that the store keeps, finished or not. */
  kept(): Promise<number>;
  close(): Promise<void>;
}

const sender = 'a'.repeat(32);

/** The promises of every store of files; `make` gives an empty one. */
export function fileStoreContract(name: string, make: () => Promise<FileStoreUnderTest>): void {
  describe(`${name} as a store of files`, () => {
    let made: FileStoreUnderTest;
    let place: string;
    beforeEach(async () => {
      made = await make();
      place = await mkdtemp(join(tmpdir(), 'osa-file-store-'));
    });
    afterEach(async () => {
      await made.close();
      await rm(place, { recursive: true });
    });

    const send = (
      bytes: Buffer,
      part: { offset?: number; end?: number; digest?: string; size?: number } = {},
    ) => {
      const { offset = 0, end = bytes.length, digest = sha256(bytes), size = bytes.length } = part;
      return made.store.receive(digest, inPieces(bytes.subarray(offset, end)), { sender, offset, size });
    };

    test('gives back what was stored, all of it or a part', async () => {
      const bytes = pattern(300_000);
      const { received, stored } = await send(bytes);
      expect([received, stored?.size, Buffer.from(stored?.head ?? [])]).toEqual([
        300_000,
        300_000,
        bytes.subarray(0, 64),
      ]);
      const { store } = made;
      expect(await buffer(await store.open(sha256(bytes)))).toEqual(bytes);
      const part = await buffer(await store.open(sha256(bytes), { start: 70_000, end: 70_009 }));
      expect(part).toEqual(bytes.subarray(70_000, 70_010));
    });

    test('stores an empty file, and a file again', async () => {
      const empty = Buffer.alloc(0);
      expect((await send(empty)).stored?.size).toBe(0);
      expect((await send(empty)).stored?.size).toBe(0);
      expect(await buffer(await made.store.open(sha256(empty)))).toHaveLength(0);
    });

    test('goes on where an upload ended, and says where that is', async () => {
      const bytes = pattern(200_000);
      const digest = sha256(bytes);
      expect(await made.store.received(digest, sender)).toBe(0);
      expect(await send(bytes, { end: 50_000 })).toEqual({ received: 50_000, stored: undefined });
      const broken = made.store.receive(digest, failing(bytes.subarray(50_000, 120_000)), {
        sender,
        offset: 50_000,
        size: bytes.length,
      });
      await expect(broken).rejects.toThrow('cut');
      expect(await made.store.received(digest, sender)).toBe(120_000);
      expect(await made.store.received(digest, 'b'.repeat(32))).toBe(0);
      await expect(send(bytes, { offset: 50_000 })).rejects.toMatchObject({
        code: 'conflict',
        details: { received: 120_000 },
      });
      expect((await send(bytes, { offset: 120_000 })).stored?.size).toBe(200_000);
      expect(await buffer(await made.store.open(digest))).toEqual(bytes);
    });

    test('keeps nothing of bytes that have another digest', async () => {
      const bytes = pattern(1_000);
      const digest = sha256(Buffer.from('another'));
      await expect(send(bytes, { digest })).rejects.toMatchObject({ code: 'invalid', field: 'sha256' });
      expect(await made.kept()).toBe(0);
      await expect(made.store.open(digest)).rejects.toMatchObject({ code: 'unavailable' });
    });

    test('keeps nothing of an upload without a byte, and goes on from its first', async () => {
      const bytes = pattern(1_000);
      expect(await send(bytes, { end: 0 })).toEqual({ received: 0, stored: undefined });
      expect(await made.kept()).toBe(0);
      await expect(send(bytes, { offset: 10 })).rejects.toMatchObject({ details: { received: 0 } });
      expect(await made.kept()).toBe(0);
      expect((await send(bytes)).stored?.size).toBe(1_000);
    });

    test('refuses more than the size that was said', async () => {
      await expect(send(pattern(1_000), { size: 999 })).rejects.toMatchObject({ code: 'too_large' });
    });

    test('takes one upload of a file by a sender at a time', async () => {
      const bytes = pattern(100_000);
      const results = await Promise.allSettled([send(bytes), send(bytes)]);
      const refused = results.filter((result) => result.status === 'rejected');
      expect(refused).toMatchObject([{ reason: { code: 'in_progress' } }]);
      expect(await buffer(await made.store.open(sha256(bytes)))).toEqual(bytes);
    });

    test('gives further names, which cannot be written', async () => {
      const bytes = pattern(5_000);
      await send(bytes);
      const target = join(place, 'further');
      await made.store.link(sha256(bytes), target);
      expect(await readFile(target)).toEqual(bytes);
      expect((await lstat(target)).mode & 0o777).toBe(0o444);
      await writeFile(join(place, 'taken'), '');
      await expect(made.store.link(sha256(bytes), join(place, 'taken'))).rejects.toMatchObject({
        code: 'EEXIST',
      });
    });

    test.each(['read', 'linked'])('finds a damaged byte before it is %s', async (what) => {
      const bytes = pattern(5_000);
      await send(bytes);
      await buffer(await made.store.open(sha256(bytes)));
      await made.damage(sha256(bytes));
      const target = join(place, 'further');
      const used = what === 'read' ? made.store.open(sha256(bytes)) : made.store.link(sha256(bytes), target);
      await expect(used).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining(`sha256:${sha256(bytes)} are damaged`),
      });
    });

    test('says that bytes are gone', async () => {
      const bytes = pattern(5_000);
      await send(bytes);
      await made.lose(sha256(bytes));
      await expect(made.store.open(sha256(bytes))).rejects.toMatchObject({ code: 'unavailable' });
    });

    test.each(['../../etc/passwd', '', 'A'.repeat(64)])('takes no key but a digest: %j', async (key) => {
      await expect(made.store.open(key)).rejects.toMatchObject({ code: 'invalid' });
      await expect(made.store.received(key, sender)).rejects.toMatchObject({ code: 'invalid' });
    });
  });
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 16_384) yield bytes.subarray(at, at + 16_384);
}

async function* failing(bytes: Buffer): AsyncGenerator<Buffer> {
  yield* inPieces(bytes);
  throw new Error('the connection was cut');
}
