import { OsaError } from '../../error.ts';
import {
  blockBytes,
  checksum,
  encodeHead,
  endOfArchive,
  padding,
  pathProblem,
  placeProblem,
  type TarEntry,
  typesByPath,
} from './tar.ts';

/**
 * Reads a canonical tar (see tar.ts) and refuses everything else. Each entry is encoded again and must give the same
 * bytes, so no unread field can carry anything.
 *
 * @throws OsaError `invalid` that names the entry, `too_large` for more than `maxFiles` entries.
 */
export function readArchive(bytes: Buffer, { maxFiles }: { readonly maxFiles: number }): TarEntry[] {
  const entries: TarEntry[] = [];
  let at = 0;
  let previous = '';
  while (!isZero(slice(bytes, at, blockBytes))) {
    const { entry, next } = readEntry(bytes, at);
    if (Buffer.compare(Buffer.from(previous), Buffer.from(entry.path)) >= 0) {
      throw refused(entry.path, `stands after "${previous}"; paths must be sorted, each one once`);
    }
    entries.push(entry);
    if (entries.length > maxFiles) {
      throw new OsaError('too_large', `The archive holds more than the ${maxFiles} entries allowed`);
    }
    previous = entry.path;
    at = next;
  }
  if (Buffer.compare(bytes.subarray(at), endOfArchive) !== 0) {
    throw new OsaError('invalid', 'The archive must end with two zero blocks and nothing after them');
  }
  const types = typesByPath(entries);
  for (const entry of entries) {
    const problem = placeProblem(entry, types);
    if (problem !== undefined) throw refused(entry.path, problem);
  }
  return entries;
}

function readEntry(bytes: Buffer, start: number): { entry: TarEntry; next: number } {
  const first = readHeader(bytes, start);
  const long =
    first.flag === 'x' ? readPax(slice(bytes, start + blockBytes, first.size)) : new Map<string, string>();
  const at = first.flag === 'x' ? start + blockBytes + padded(first.size) : start;
  const header = first.flag === 'x' ? readHeader(bytes, at) : first;
  const contentAt = at + blockBytes;
  const content = slice(bytes, contentAt, padded(header.size)).subarray(0, header.size);
  const entry = asEntry({
    flag: header.flag,
    name: long.get('path') ?? header.name,
    target: long.get('linkpath') ?? header.target,
    executable: header.mode === 0o755,
    content,
  });
  const problem = pathProblem(entry.path);
  if (problem !== undefined) throw refused(entry.path, problem);
  const canonical =
    Buffer.compare(encodeHead(entry), bytes.subarray(start, contentAt)) === 0 &&
    Buffer.compare(
      padding(header.size),
      bytes.subarray(contentAt + header.size, contentAt + padded(header.size)),
    ) === 0;
  if (!canonical)
    throw refused(entry.path, 'is not written in the canonical form; pack it with `osa deploy`');
  return { entry, next: contentAt + padded(header.size) };
}

interface Fields {
  readonly flag: string;
  readonly name: string;
  readonly target: string;
  readonly executable: boolean;
  readonly content: Buffer;
}

function asEntry({ flag, name, target, executable, content }: Fields): TarEntry {
  if (flag === '0') return { type: 'file', path: name, executable, content };
  if (flag === '2') return { type: 'link', path: name, target };
  if (flag === '5') return { type: 'directory', path: name.replace(/\/$/, '') };
  throw refused(name, `has the type "${flag}"; only files, directories and symbolic links are taken`);
}

function readHeader(bytes: Buffer, at: number) {
  const block = slice(bytes, at, blockBytes);
  const stored = octalAt(block, 148, 6);
  if (stored !== checksum(block)) {
    throw new OsaError('invalid', `The archive's header at byte ${at} has a wrong checksum: it is damaged`);
  }
  return {
    name: utf8(untilNul(block.subarray(0, 100)), at),
    mode: octalAt(block, 100, 7),
    size: octalAt(block, 124, 11),
    flag: block.toString('latin1', 156, 157),
    target: utf8(untilNul(block.subarray(157, 257)), at),
  };
}

/** Longer than any path and link target that is packed; what is longer would only cost time. */
const paxBytes = 16 * 1024;

/** Records of the form `<length> <key>=<value>\n`; what else they may hold does not survive the comparison. */
function readPax(data: Buffer): Map<string, string> {
  if (data.length > paxBytes) {
    const message = `The archive holds a pax header of ${data.length} bytes; at most ${paxBytes} are read`;
    throw new OsaError('invalid', message);
  }
  const records = new Map<string, string>();
  for (let at = 0; at < data.length; ) {
    const length = Number.parseInt(data.toString('latin1', at, at + 8), 10);
    const space = data.indexOf(' ', at);
    if (!(length > 0) || space < 0 || space - at > 8 || at + length > data.length) {
      throw new OsaError('invalid', 'The archive holds a pax header that cannot be read: it is damaged');
    }
    const text = utf8(data.subarray(space + 1, at + length - 1), at);
    const equals = text.indexOf('=');
    records.set(text.slice(0, equals), text.slice(equals + 1));
    at += length;
  }
  return records;
}

function slice(bytes: Buffer, at: number, length: number): Buffer {
  if (at + length > bytes.length) {
    throw new OsaError('invalid', `The archive ends at byte ${bytes.length}, in the middle of an entry`);
  }
  return bytes.subarray(at, at + length);
}

function octalAt(block: Buffer, at: number, digits: number): number {
  const text = block.toString('latin1', at, at + digits);
  if (!/^[0-7]+$/.test(text)) {
    throw new OsaError(
      'invalid',
      `The archive holds a header with a number that is not octal: it is damaged`,
    );
  }
  return Number.parseInt(text, 8);
}

function utf8(bytes: Uint8Array, at: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new OsaError('invalid', `The archive holds a name near byte ${at} that is not UTF-8`, { cause });
  }
}

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function padded(size: number): number {
  return Math.ceil(size / blockBytes) * blockBytes;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function refused(path: string, problem: string): OsaError {
  return new OsaError('invalid', `The archive's entry ${JSON.stringify(path)} ${problem}`, {
    details: { path },
  });
}
