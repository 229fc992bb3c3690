import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';

/** The bytes of a file as people have it: compressed or not, under whichever name. */

const sniffed = 64 * 1024;

/** A stream and its beginning, which the stream holds as well. */
export interface Peeked {
  readonly head: Buffer;
  readonly bytes: AsyncIterable<Buffer>;
}

/**
 * Unpacks gzip and zstd, which are known by their content.
 *
 * @throws OsaError `usage` for a spreadsheet and other files that hold no text, and for what is cut off
 */
export async function unpacked(name: string, source: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const packed = await peek(source);
  const kind = kinds.find(({ magic }) => packed.head.subarray(0, magic.length).equals(Buffer.from(magic)));
  if (kind === undefined) return packed;
  if ('refusal' in kind) throw new OsaError('usage', `${name} ${kind.refusal}`);
  return unpacked(name, decompressed(name, packed.bytes, kind));
}

async function* decompressed(
  name: string,
  bytes: AsyncIterable<Buffer>,
  { title, open }: { readonly title: string; readonly open: () => Gunzip | ZstdDecompress },
): AsyncGenerator<Buffer> {
  const given = new Extent();
  const source = Readable.from(given.measured(bytes), { objectMode: false });
  const target = open();
  let cause: unknown;
  source.on('error', (error) => {
    cause = error;
    (target as unknown as Readable).destroy(error);
  });
  try {
    for await (const chunk of source.pipe(target)) yield chunk as Buffer;
    for await (const _ of source) if (given.filled > target.bytesWritten) break;
  } catch (error) {
    if (cause !== undefined) throw cause;
    if (systemCode(error) === undefined) throw error;
    throw new OsaError('usage', `${name}: its ${title} data is damaged or cut off`, { cause: error });
  } finally {
    source.destroy();
  }
  // Both libraries end at bytes that begin no further part, and keep silent about all that follows.
  if (given.filled > target.bytesWritten) {
    const message = `${name}: its ${title} data ends at byte ${target.bytesWritten}, and something else follows; it is damaged`;
    throw new OsaError('usage', message);
  }
}

/** Measures bytes up to the last one that is not zero, since zeros may fill up a file. */
class Extent {
  filled = 0;

  async *measured(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let before = 0;
    for await (const chunk of bytes) {
      const last = chunk.findLastIndex((byte) => byte !== 0);
      if (last !== -1) this.filled = before + last + 1;
      before += chunk.length;
      yield chunk;
    }
  }
}

const notArrow = 'is Arrow, which is not read; save it as Parquet, CSV or NDJSON';
const kinds = [
  { title: 'gzip', magic: [0x1f, 0x8b], open: () => createGunzip() },
  { title: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], open: () => createZstdDecompress() },
  // Frames to be skipped, with which pzstd begins.
  ...Array.from({ length: 16 }, (_, place) => ({
    title: 'zstd',
    magic: [0x50 + place, 0x2a, 0x4d, 0x18],
    open: () => createZstdDecompress(),
  })),
  {
    magic: [0x50, 0x4b, 0x03, 0x04],
    refusal:
      'is a spreadsheet (.xlsx, .ods) or another zip file; save it as "CSV UTF-8" in its program, or unpack it',
  },
  {
    magic: [0xd0, 0xcf, 0x11, 0xe0],
    refusal: 'is a spreadsheet of an old Excel (.xls); save it as "CSV UTF-8" there',
  },
  {
    magic: [0x50, 0x41, 0x52, 0x31],
    refusal: 'is Parquet, which is read from a file that is not packed, and not from standard input',
  },
  { magic: [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31], refusal: notArrow },
  { magic: [0xff, 0xff, 0xff, 0xff], refusal: notArrow },
  { magic: [0x42, 0x5a, 0x68], refusal: 'is packed by bzip2; unpack it first: bzcat FILE | osa ingest … -' },
  {
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a],
    refusal: 'is packed by xz; unpack it first: xzcat FILE | osa ingest … -',
  },
  { magic: [0x53, 0x51, 0x4c, 0x69, 0x74, 0x65], refusal: 'is an SQLite database; export its table as CSV' },
] as const;

/** Reads far enough to know the kind of the content. */
export async function peek(source: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const iterator = source[Symbol.asyncIterator]();
  const start: Buffer[] = [];
  let size = 0;
  let isDone = false;
  while (size < sniffed && !isDone) {
    const next = await iterator.next();
    isDone = next.done === true;
    if (next.done === true) break;
    start.push(Buffer.from(next.value));
    size += next.value.length;
  }
  const head = Buffer.concat(start);
  return { head, bytes: whole(head, iterator, isDone) };
}

async function* whole(
  head: Buffer,
  iterator: AsyncIterator<Uint8Array>,
  isDone: boolean,
): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    if (isDone) return;
    for (let next = await iterator.next(); !next.done; next = await iterator.next())
      yield Buffer.from(next.value);
  } finally {
    await iterator.return?.();
  }
}
