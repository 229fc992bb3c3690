import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { digestOfFile } from '@osa/core/file/digest';
import { streamOf } from '@osa/core/file/stream';
import { afterAll, beforeAll, expect, test } from 'vitest';

const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 251));
let directory: string;
let path: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'osa-stream-'));
  path = join(directory, 'file');
  await writeFile(path, bytes);
});
afterAll(() => rm(directory, { recursive: true }));

test.each([
  [{}, bytes],
  [{ start: 0, end: 0 }, bytes.subarray(0, 1)],
  [{ start: 65_536 }, bytes.subarray(65_536)],
  [{ start: 65_535, end: 131_072 }, bytes.subarray(65_535, 131_073)],
  [{ start: 199_999 }, bytes.subarray(199_999)],
  [{ start: 200_000 }, Buffer.alloc(0)],
])('a stream of a file gives the bytes of %j, and closes it', async (range, expected) => {
  const file = await open(path);
  expect((await buffer(streamOf(file, range))).equals(expected)).toBe(true);
  expect(file.fd).toBe(-1);
});

test('a stream that is destroyed closes its file, also when nobody has read of it', async () => {
  const [read, unread] = [await open(path), await open(path)];
  for await (const piece of streamOf(read)) {
    expect(piece).toHaveLength(65_536);
    break;
  }
  const stream = streamOf(unread);
  stream.destroy();
  await new Promise((resolve) => stream.once('close', resolve));
  expect([read.fd, unread.fd]).toEqual([-1, -1]);
});

test('a stream of a file that cannot be read fails, with the reason of the system', async () => {
  const directoryHandle = await open(directory);
  await expect(buffer(streamOf(directoryHandle))).rejects.toMatchObject({ code: 'EISDIR' });
  expect(directoryHandle.fd).toBe(-1);
});

test('the digest of a file comes with its size and its first bytes', async () => {
  await using file = await open(path);
  const { size, head, sha256 } = await digestOfFile(file);
  expect([size, Buffer.from(head).equals(bytes.subarray(0, 64))]).toEqual([200_000, true]);
  await writeFile(join(directory, 'empty'), '');
  await using empty = await open(join(directory, 'empty'));
  expect(await digestOfFile(empty)).toMatchObject({
    size: 0,
    sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  });
  expect(sha256).toMatch(/^[0-9a-f]{64}$/);
});
