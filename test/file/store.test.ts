import {
  chmod,
  type FileHandle,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { filesystemFiles } from '@osa/core/storage/resumable-files';
import { expect, onTestFinished, test, vi } from 'vitest';
import { fileStoreContract } from '../contract/file-store.ts';
import { scratch } from '../support/database/database.ts';

fileStoreContract('the file system', async () => {
  const place = await scratch();
  const pathOf = (sha256: string) => join(place.path, sha256.slice(0, 2), sha256.slice(2));
  return {
    store: filesystemFiles(place.path),
    async damage(sha256) {
      const bytes = await readFile(pathOf(sha256));
      bytes.writeUInt8(bytes.readUInt8(1_000) ^ 1, 1_000);
      await chmod(pathOf(sha256), 0o644);
      await writeFile(pathOf(sha256), bytes);
    },
    lose: (sha256) => rm(pathOf(sha256)),
    async kept() {
      const entries = await readdir(place.path, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).length;
    },
    close: () => place.dispose(),
  };
});

test('takes nothing of a file for which the disk has no room', async () => {
  const place = await scratch();
  onTestFinished(() => place.dispose());
  const { path } = place;
  const store = filesystemFiles(path);
  const part = { sender: 'ada', offset: 0, size: 2 ** 50 };
  await expect(store.receive('a'.repeat(64), Readable.from([Buffer.alloc(5)]), part)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(`needs ${2 ** 50} more bytes`),
    details: { fault: 'full' },
  });
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  expect(entries.filter((entry) => entry.isFile())).toEqual([]);
});

test('takes nothing of a file for which the disk has no room beside the other uploads under way', async () => {
  const place = await scratch();
  onTestFinished(() => place.dispose());
  const { bavail, bsize } = await statfs(place.path);
  const store = filesystemFiles(place.path);
  const part = { sender: 'ada', offset: 0, size: Math.ceil(bavail * bsize * 0.6) };
  const piece = Buffer.alloc(5);
  const begun = Promise.withResolvers<void>();
  const ending = Promise.withResolvers<void>();
  const first = store.receive(
    'a'.repeat(64),
    (async function* () {
      yield piece;
      begun.resolve();
      await ending.promise;
    })(),
    part,
  );
  await begun.promise;
  const second = () => store.receive('b'.repeat(64), Readable.from([piece]), part);
  await expect(second()).rejects.toMatchObject({
    code: 'unavailable',
    details: { fault: 'full', others: part.size - piece.length },
  });
  expect(await store.received('b'.repeat(64), 'ada')).toBe(0);
  ending.resolve();
  expect(await first).toMatchObject({ received: piece.length });
  expect(await second()).toMatchObject({ received: piece.length });
});

// A file that is collected as garbage while it is open ends the process.
test.skipIf(process.platform !== 'linux')(
  'a disk that fails as a file is flushed leaves no file open',
  async () => {
    const place = await scratch();
    await using probe = await open(place.path);
    const handles: FileHandle = Object.getPrototypeOf(probe);
    const failing = Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
    const sync = vi.spyOn(handles, 'sync').mockRejectedValueOnce(failing);
    try {
      const part = { sender: 'ada', offset: 0, size: 10 };
      const sending = filesystemFiles(place.path).receive(
        'a'.repeat(64),
        Readable.from([Buffer.alloc(5)]),
        part,
      );
      await expect(sending).rejects.toMatchObject({ code: 'unavailable', cause: failing });
      const names = await readdir('/proc/self/fd');
      const targets = await Promise.all(
        names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')),
      );
      const below = `${await realpath(place.path)}/`;
      expect(targets.filter((target) => target.startsWith(below))).toEqual([]);
    } finally {
      sync.mockRestore();
      await place.dispose();
    }
  },
);
