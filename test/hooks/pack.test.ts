import { execFileSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { checksum, encodeHead, endOfArchive, padding, type TarEntry } from '@osa/core/hook/archive/tar';
import { unpack } from '@osa/core/hook/archive/unpack';
import { readArchive } from '@osa/core/hook/archive/untar';
import { bounds } from '@osa/core/limits';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let place: string;
let source: string;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'osa-pack-'));
  source = join(place, 'source');
  await mkdir(source);
});
afterEach(() => rm(place, { recursive: true }));

async function write(path: string, content: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(join(source, path)), { recursive: true });
  await writeFile(join(source, path), content);
  await chmod(join(source, path), mode);
}

async function writeExample(): Promise<void> {
  await write('hook.mjs', 'console.log(1);\n');
  await write('bin/run', '#!/bin/sh\n', 0o755);
  await write('bin-a', 'sorts between "bin" and "bin/run"\n');
  await write('data/π.txt', 'π\n', 0o600);
  await write(`${'long/'.repeat(30)}name`, 'over 100 bytes\n');
  await mkdir(join(source, 'empty'));
  await symlink('../hook.mjs', join(source, 'bin/link'));
  await symlink(`${'long/'.repeat(30)}name`, join(source, 'deep'));
}

describe('packDirectory', () => {
  test('gives the same digest for the same content, on every machine', async () => {
    await writeExample();
    const packed = await packDirectory(source);
    expect(packed.digest).toBe('sha256:5dc9e5aa1ca7c88efe2c294852a01d1557a5aa3f1707f52f47da5cb81cea3bf0');
    expect(packed.files).toBe(5);
    expect(await buffer(packed.open())).toHaveLength(packed.size);
    expect(await buffer(packed.open())).toHaveLength(packed.size);
  });

  test('leaves out times, places, permissions, and what is never packed', async () => {
    await writeExample();
    const { digest } = await packDirectory(source);
    const copy = join(place, 'elsewhere');
    await cp(source, copy, { recursive: true, verbatimSymlinks: true });
    await utimes(join(copy, 'hook.mjs'), 1, 1);
    await chmod(join(copy, 'hook.mjs'), 0o666);
    await mkdir(join(copy, '.git'));
    await mkdir(join(copy, 'bin/.osa'));
    await writeFile(join(copy, 'bin/.DS_Store'), 'x');
    expect((await packDirectory(copy)).digest).toBe(digest);
    await symlink(copy, join(place, 'by-link'));
    expect((await packDirectory(join(place, 'by-link'))).digest).toBe(digest);
  });

  test('tells every difference of content', async () => {
    await writeExample();
    const digests = new Set([(await packDirectory(source)).digest]);
    await chmod(join(source, 'hook.mjs'), 0o755);
    digests.add((await packDirectory(source)).digest);
    await appendFile(join(source, 'hook.mjs'), ' ');
    digests.add((await packDirectory(source)).digest);
    await rm(join(source, 'empty'), { recursive: true });
    digests.add((await packDirectory(source)).digest);
    expect(digests.size).toBe(4);
  });

  test('is read by tar', async () => {
    await writeExample();
    await writeFile(join(place, 'packed.tar'), (await packDirectory(source)).open());
    const listed = execFileSync('tar', ['tf', join(place, 'packed.tar')], { encoding: 'utf8' }).split('\n');
    expect(listed.slice(0, 5)).toEqual(['bin/', 'bin-a', 'bin/link', 'bin/run', 'data/']);
    expect(listed).toContain(`${'long/'.repeat(30)}name`);
  });

  test.each([
    ['an absolute link', '/etc/passwd'],
    ['a link that leaves', '../../outside'],
    ['a link that leaves and comes back', '../../source/hook.mjs'],
    ['a link to nothing', 'missing'],
    ['a link through a link', 'up/../hook.mjs'],
    ['a link through a file', '../hook.mjs/x'],
  ])('refuses %s by name', async (_what, target) => {
    await write('hook.mjs', '');
    await mkdir(join(source, 'sub'));
    await symlink('..', join(source, 'sub/up'));
    await symlink(target, join(source, 'sub/link'));
    await expect(packDirectory(source)).rejects.toMatchObject({ code: 'usage', field: 'sub/link' });
  });

  test('refuses a socket and a pipe', async () => {
    const server = createServer().listen(join(source, 's'));
    await expect(packDirectory(source)).rejects.toMatchObject({ code: 'usage', field: 's' });
    await new Promise((resolve) => server.close(resolve));
    execFileSync('mkfifo', [join(source, 'pipe')]);
    await expect(packDirectory(source)).rejects.toMatchObject({ code: 'usage', field: 'pipe' });
  });

  test.runIf(process.platform === 'linux')('refuses a name that is not UTF-8', async () => {
    await writeFile(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0x61, 0xff])]), '');
    await expect(packDirectory(source)).rejects.toMatchObject({ code: 'usage' });
  });

  test('refuses what is no directory', async () => {
    await write('file', '');
    await expect(packDirectory(join(source, 'file'))).rejects.toMatchObject({ code: 'usage' });
    await expect(packDirectory(join(source, 'missing'))).rejects.toMatchObject({ code: 'usage' });
  });

  test('refuses a directory that is too large before it reads it, naming the largest file', async () => {
    await write('model.bin', '');
    await truncate(join(source, 'model.bin'), bounds.blobBytes);
    await expect(packDirectory(source)).rejects.toMatchObject({
      code: 'too_large',
      details: { largest: 'model.bin' },
    });
  });

  test('refuses a file that changes meanwhile', async () => {
    for (let index = 0; index < 50; index += 1) await write(`file-${index}`, 'x');
    let settled = false;
    const packing = packDirectory(source).finally(() => {
      settled = true;
    });
    const writing = (async () => {
      while (!settled) await appendFile(join(source, 'file-7'), 'x');
    })();
    await expect(packing).rejects.toMatchObject({ code: 'usage', field: 'file-7' });
    await writing;
  });
});

describe('unpack', () => {
  const limits = { maxBytes: bounds.blobBytes, maxFiles: 100 };
  let target: string;
  beforeEach(async () => {
    target = join(place, 'target');
    await mkdir(target);
  });

  test('gives back what was packed, and its digest', async () => {
    await writeExample();
    const packed = await packDirectory(source);
    expect(await unpack(packed.open(), target, limits)).toEqual({ digest: packed.digest });
    expect((await packDirectory(target)).digest).toBe(packed.digest);
    expect(await readFile(join(target, 'bin/link'), 'utf8')).toBe('console.log(1);\n');
    expect(await readlink(join(target, 'bin/link'))).toBe('../hook.mjs');
    expect((await lstat(join(target, 'data/π.txt'))).mode & 0o777).toBe(0o644);
    expect((await lstat(join(target, 'bin/run'))).mode & 0o777).toBe(0o755);
    expect((await lstat(join(target, 'empty'))).mode & 0o777).toBe(0o755);
  });

  const file = (path: string, content = ''): TarEntry => ({
    type: 'file',
    path,
    executable: false,
    content: Buffer.from(content),
  });
  const link = (path: string, to: string): TarEntry => ({ type: 'link', path, target: to });
  const directory = (path: string): TarEntry => ({ type: 'directory', path });

  test.each<[string, TarEntry[]]>([
    ['an absolute path', [file('/tmp/osa-escaped')]],
    ['a path that climbs', [file('../escaped')]],
    ['a path that climbs in the middle', [directory('a'), file('a/../../escaped')]],
    ['a dot', [file('./a')]],
    ['an empty part', [directory('a'), file('a//b')]],
    ['no path', [file('')]],
    ['a path twice', [file('a'), file('a', 'x')]],
    ['unsorted paths', [file('b'), file('a')]],
    ['a file without its directory', [file('a/b')]],
    ['a file below a file', [file('a'), file('a/b')]],
    ['a write through a link', [link('a', '.'), file('a/b')]],
    ['an absolute link', [link('a', '/etc')]],
    ['a link that leaves', [link('a', '..')]],
    ['a link that leaves through another', [directory('d'), link('d/a', '..'), link('d/b', 'a/..')]],
    ['a link to nothing', [link('a', 'b')]],
    ['a name that is too long', [file('x'.repeat(256))]],
  ])('refuses %s and writes nothing', async (_what, entries) => {
    await refuses(archive(entries));
  });

  test('refuses other types of entries', async () => {
    for (const flag of ['1', '3', '4', '6', '7', 'g', 'L']) {
      await refuses(patched([file('a')], (header) => header.write(flag, 156)));
    }
  });

  test('refuses what is not canonical', async () => {
    await refuses(patched([file('a')], (header) => header.write('0000777', 100)));
    await refuses(patched([file('a')], (header) => header.write('0000001', 108)));
    await refuses(patched([file('a')], (header) => header.write('00000000001', 136)));
    await refuses(patched([file('a')], (header) => header.write('root', 265)));
    await refuses(patched([file('a')], (header) => header.write('up', 345)));
    await refuses(patched([file('a', 'x')], (header, bytes) => bytes.write('hidden', header.length + 10)));
    await refuses(patched([file('a')], (header) => header.write('hidden', 10)));
  });

  test('refuses a damaged or cut archive', async () => {
    const whole = archive([file('a', 'content')]);
    const flipped = Buffer.from(whole);
    flipped[0] = 0x62;
    await refuses(flipped);
    for (const length of [0, 511, 512, 600, 1024, whole.length - 512, whole.length - 1]) {
      await refuses(whole.subarray(0, length));
    }
    await refuses(Buffer.concat([whole, Buffer.alloc(512)]));
    await refuses(Buffer.concat([whole, Buffer.from('x')]));
    await refuses(patched([file('a')], (header) => header.write('77777777777', 124)));
    await refuses(patched([file('a')], (header) => header.write('-0000000001', 124)));
  });

  test('refuses more bytes or entries than the limits', async () => {
    const bytes = archive([file('a'), file('b')]);
    await refuses(bytes, 'too_large', { maxBytes: bytes.length - 1, maxFiles: 100 });
    await refuses(bytes, 'too_large', { maxBytes: bytes.length, maxFiles: 1 });
    await unpack(Readable.from([bytes]), target, { maxBytes: bytes.length, maxFiles: 2 });
  });

  async function refuses(bytes: Buffer, code = 'invalid', bounded = limits): Promise<void> {
    await expect(unpack(Readable.from([bytes]), target, bounded)).rejects.toMatchObject({ code });
    expect(await readdir(target)).toEqual([]);
  }
});

describe('the archive', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }).filter(isName);
  const entry = fc.record({
    parts: fc.array(name, { minLength: 1, maxLength: 4 }),
    executable: fc.boolean(),
    content: fc.uint8Array({ maxLength: 1_200 }),
  });

  test('says the same when it is read as when it was written', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (made) => {
        const entries = new Map<string, TarEntry>();
        for (const { parts, executable, content } of made) {
          const path = parts.join('/');
          for (let end = 1; end < parts.length; end += 1) {
            const parent = parts.slice(0, end).join('/');
            entries.set(parent, { type: 'directory', path: parent });
          }
          if (entries.get(path)?.type !== 'directory') {
            entries.set(path, { type: 'file', path, executable, content: Buffer.from(content) });
          }
        }
        const sorted = [...entries.values()].sort((a, b) =>
          Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)),
        );
        expect(readArchive(archive(sorted), { maxFiles: 1_000 })).toEqual(sorted);
      }),
      { numRuns: 200 },
    );
  });

  test('is refused or read, never a crash, whatever byte is changed', () => {
    const whole = archive([
      { type: 'directory', path: 'd' },
      { type: 'file', path: `d/${'n'.repeat(120)}`, executable: true, content: Buffer.from('content') },
      { type: 'link', path: 'l', target: 'd' },
    ]);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const changed = Buffer.from(whole);
        changed[at] = value;
        try {
          readArchive(changed, { maxFiles: 10 });
        } catch (error) {
          expect(error).toMatchObject({ name: 'OsaError', code: 'invalid' });
        }
      }),
      { numRuns: 2_000 },
    );
  });

  function isName(text: string): boolean {
    return !/[/\0]/.test(text) && text !== '.' && text !== '..' && text.isWellFormed();
  }
});

function archive(entries: readonly TarEntry[]): Buffer {
  const chunks = entries.flatMap((entry) =>
    entry.type === 'file'
      ? [encodeHead(entry), entry.content, padding(entry.content.length)]
      : [encodeHead(entry)],
  );
  return Buffer.concat([...chunks, endOfArchive]);
}

/** An archive whose first header is changed, with the checksum made right again. */
function patched(entries: readonly TarEntry[], change: (header: Buffer, bytes: Buffer) => void): Buffer {
  const bytes = archive(entries);
  const header = bytes.subarray(0, 512);
  change(header, bytes);
  header.write(checksum(header).toString(8).padStart(6, '0'), 148);
  return bytes;
}
