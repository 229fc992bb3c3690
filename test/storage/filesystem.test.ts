import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { filesystemBlobs, prepareBlobs } from '@osa/core/storage/filesystem';
import { expect, test } from 'vitest';
import { blobStoreContract } from '../contract/blob-store.ts';

const emptyDigest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

async function make() {
  const directory = await mkdtemp(join(tmpdir(), 'osa-blobs-'));
  return {
    directory,
    store: filesystemBlobs(join(directory, 'blobs')),
    kept: async () => (await filesBelow(directory)).length,
    plant: async (name: string, bytes: Uint8Array) => {
      const isBlob = /^[0-9a-f]{64}$/.test(name);
      const place = isBlob ? join(name.slice(0, 2), name.slice(2)) : name;
      await mkdir(join(directory, 'blobs'), { recursive: true });
      await writeFile(join(directory, 'blobs', place), bytes);
    },
    close: () => rm(directory, { recursive: true }),
  };
}

async function filesBelow(directory: string) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile());
}

blobStoreContract('filesystemBlobs', make);

test('keeps a blob under its digest, in a directory for its own user only', async () => {
  const { directory, store, close } = await make();
  await store.put(emptyDigest, Readable.from([]), { maxBytes: 1 });
  const path = join(directory, 'blobs', emptyDigest.slice(0, 2), emptyDigest.slice(2));
  expect((await stat(path)).mode & 0o777).toBe(0o444);
  expect((await stat(join(directory, 'blobs'))).mode & 0o777).toBe(0o700);
  await close();
});

test('loses what a daemon that died was writing, and not what another one writes', async () => {
  const { directory, store, close } = await make();
  const blobs = join(directory, 'blobs');
  await prepareBlobs(blobs);
  await store.put(emptyDigest, Readable.from([]), { maxBytes: 1 });
  for (const name of ['left', 'written']) await writeFile(join(blobs, 'incoming', name), 'x');
  const longAgo = new Date(Date.now() - 48 * 3_600_000);
  await utimes(join(blobs, 'incoming', 'left'), longAgo, longAgo);
  await prepareBlobs(blobs);
  expect((await filesBelow(directory)).map(({ name }) => name).sort()).toEqual(
    [emptyDigest.slice(2), 'written'].sort(),
  );
  await close();
});

test('a link in the place of a blob is not that blob', async () => {
  const { directory, store, close } = await make();
  await store.put(emptyDigest, Readable.from([]), { maxBytes: 1 });
  const path = join(directory, 'blobs', emptyDigest.slice(0, 2), emptyDigest.slice(2));
  await rename(path, join(directory, 'elsewhere'));
  await symlink(join(directory, 'elsewhere'), path);
  expect(await store.find(emptyDigest)).toBeUndefined();
  expect(await Array.fromAsync(store.list())).toMatchObject([{ sha256: undefined }]);
  await close();
});
