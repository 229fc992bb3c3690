import { createHash, randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdtemp, open, readFile, rm, stat, truncate, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { filesystemFiles } from '@osa/core/storage/resumable-files';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deployRequest, rawConnection, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Files that are damaged although their size and their time of modification are as before, or while they are sent. */

const large = randomBytes(20 * 2 ** 20);
const small = randomBytes(5_000);

/** Flips one bit in place, and sets the times back as a careful tool would. */
async function flip(path: string, at: number): Promise<void> {
  const { atime, mtime } = await stat(path);
  await chmod(path, 0o644);
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([byte.readUInt8(0) ^ 1]), 0, 1, at);
  await file.close();
  await utimes(path, atime, mtime);
}

describe('a store of files', () => {
  let directory: string;
  let store: ReturnType<typeof filesystemFiles>;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'osa-damage-'));
    store = filesystemFiles(join(directory, 'files'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const pathOf = (sha256: string) => join(directory, 'files', sha256.slice(0, 2), sha256.slice(2));
  const put = async (bytes: Buffer) => {
    const sha256 = digestOf(bytes);
    await store.receive(sha256, Readable.from([bytes]), { sender: 'ada', offset: 0, size: bytes.length });
    return sha256;
  };
  const sizeRead = async (sha256: string, range?: { start: number; end: number }) => {
    let size = 0;
    for await (const piece of await store.open(sha256, range)) size += (piece as Uint8Array).length;
    return size;
  };

  test.each([
    ['read', (sha256: string) => sizeRead(sha256)],
    ['read in part', (sha256: string) => sizeRead(sha256, { start: 0, end: 9 })],
    ['linked', (sha256: string) => store.link(sha256, join(directory, 'damaged'))],
  ])('finds a flipped byte of a file that was just compared when it is %s', async (_name, use) => {
    const sha256 = await put(small);
    const path = pathOf(sha256);
    // The time as it is set back, so that its fractions are the same.
    await utimes(path, 1_000, 1_000);
    await sizeRead(sha256);
    await store.link(sha256, join(directory, 'whole'));
    await sizeRead(sha256, { start: 10, end: 19 });
    await flip(path, 4_000);
    await expect(use(sha256)).rejects.toMatchObject({ code: 'unavailable', details: { sha256 } });
    await flip(path, 4_000);
    await use(sha256);
  });

  const changes: [string, (path: string) => Promise<void>][] = [
    ['flipped', (path) => flip(path, large.length - 10)],
    ['cut', (path) => truncate(path, 2 ** 20)],
    ['flipped and made longer', (path) => flip(path, 2 ** 22).then(() => appendFile(path, 'more'))],
  ];
  test.each(changes)('a file that is %s while it is read never comes whole', async (_name, change) => {
    const sha256 = await put(large);
    const path = pathOf(sha256);
    for (const range of [undefined, { start: 0, end: large.length - 1 }]) {
      let size = 0;
      const reading = async () => {
        for await (const piece of await store.open(sha256, range)) {
          if (size === 0) await change(path);
          size += (piece as Uint8Array).length;
        }
      };
      await expect(reading()).rejects.toMatchObject({ code: 'unavailable', details: { sha256 } });
      expect(size).toBeLessThan(large.length);
      await expect(store.open(sha256, { start: 0, end: 0 })).rejects.toMatchObject({ details: { sha256 } });
      await rm(path);
      await put(large);
    }
  });

  const part = { start: 1, end: 2 ** 20 };
  /** Reads the part, and does something to its file after the first piece. */
  const partRead = async (sha256: string, meanwhile: () => Promise<unknown>) => {
    let size = 0;
    try {
      for await (const piece of await store.open(sha256, part)) {
        if (size === 0) await meanwhile();
        size += (piece as Uint8Array).length;
      }
    } catch (error) {
      return { size, error };
    }
    return { size };
  };

  test.each([
    ['with its time changed', (path: string) => utimes(path, 5, 5)],
    ['with its time set back', async () => undefined],
  ])('a part of a file that is written while it is read never comes whole: %s', async (_name, after) => {
    const sha256 = await put(large);
    const path = pathOf(sha256);
    // A time that can be set back with its fractions.
    await utimes(path, 1_000, 1_000);
    const writing = () => flip(path, 2 ** 19).then(() => after(path));
    const { size, error } = await partRead(sha256, writing);
    expect(error).toMatchObject({ code: 'unavailable' });
    expect(size).toBeLessThan(part.end);
  });

  test('a part comes whole while links to its file are made and removed', async () => {
    const sha256 = await put(large);
    const link = join(directory, 'link');
    const linking = () => store.link(sha256, link).then(() => rm(link));
    expect(await partRead(sha256, linking)).toEqual({ size: part.end });
  });

  /** Bytes that this process has read so far, from anywhere. */
  const readSoFar = async () =>
    Number(/^rchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))?.[1] ?? Number.NaN);

  test.skipIf(process.platform !== 'linux')(
    'links and parts after a comparison compare nothing again, until a link goes',
    async () => {
      const sha256 = await put(large);
      const compared = async (use: () => Promise<unknown>) => {
        const before = await readSoFar();
        await use();
        return Math.round(((await readSoFar()) - before) / large.length);
      };
      const link = (name: string) => compared(() => store.link(sha256, join(directory, name)));
      const part = () => compared(() => sizeRead(sha256, { start: 5, end: 9 }));
      expect([await link('a'), await link('b'), await part(), await link('c'), await part()]).toEqual([
        1, 0, 0, 0, 0,
      ]);
      // Removing a name changes the same time as a write does.
      await rm(join(directory, 'b'));
      expect([await link('d'), await link('e')]).toEqual([1, 0]);
    },
  );
});

describe('a daemon', () => {
  let daemon: TestDaemon;
  let path: string;
  const sha256 = digestOf(large);
  const stored = () => join(daemon.directory, 'data/blobs', sha256.slice(0, 2), sha256.slice(2));
  beforeAll(async () => {
    daemon = await testDaemon();
    const rules = { accepted_types: [], min_count: 0, max_count: 3, max_file_size: large.length };
    await daemon.call('deploy', { json: { ...deployRequest(), file_requirements: rules } });
    const headers = {
      authorization: await daemon.bearer(['ingestions:write:tests']),
      'content-type': 'application/octet-stream',
    };
    const url = `/api/v1/conventions/tests/files/${sha256}?size=${large.length}`;
    expect((await daemon.send('PUT', url, { headers, body: large })).status).toBe(200);
    const file = { name: 'f', sha256, size: large.length };
    const body = `${JSON.stringify({ source_id: 'r', metadata: { value: 1 }, files: [file] })}\n`;
    const ingestion = await daemon.call('ingest', { params: { slug: 'tests' }, body });
    const id = await until('the record', async () => {
      const { items } = await daemon.call('listIngestionRecords', { params: { id: ingestion.id } });
      return items[0]?.record_srn ?? undefined;
    });
    path = `/api/v1/data/records/${id}/files/f`;
  });
  afterAll(() => daemon.close());

  test('breaks the connection off where a file is damaged while it is sent, and its log names the digest', async () => {
    const { socket, received, closed } = await rawConnection(daemon.port);
    socket.once('data', () => socket.pause());
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until('the answer to begin', async () => received() !== '');
    await flip(stored(), large.length - 10);
    socket.resume();
    await closed;
    expect(received()).toMatch(new RegExp(`^HTTP/1.1 200 OK[^]*content-length: ${large.length}\r\n`, 'i'));
    expect(received().length).toBeGreaterThan(100_000);
    expect(socket.bytesRead).toBeLessThan(large.length);
    const line = await until('a line of the log', async () =>
      daemon.log.find((one) => one.includes(`sha256:${sha256} is damaged`)),
    );
    expect(JSON.parse(line)).toMatchObject({ level: 'error', msg: 'an answer broke off' });
    const answer = await daemon.send('GET', path, { headers: { range: 'bytes=0-0' } });
    expect([answer.status, answer.problem?.code, answer.problem?.details]).toEqual([
      500,
      'damaged',
      { sha256 },
    ]);
    await flip(stored(), large.length - 10);
    expect((await daemon.send('GET', path, { headers: { range: 'bytes=0-0' } })).status).toBe(206);
  });
});

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
