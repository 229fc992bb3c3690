/**
 * The canonical tar of a directory: POSIX ustar with pax records for names over 100 bytes, and one way only to
 * write each thing. Times, owners and names of owners are zero or empty. Modes are 0644, and 0755 for executable files,
 * directories and links. Entries are in the byte order of their paths, and two zero blocks end the archive. So the same
 * content gives the same bytes on every machine, and the reader refuses every other spelling.
 *
 * Format: IEEE Std 1003.1-2017, pax, "ustar Interchange Format" and "pax Extended Header".
 */

/** `path` is relative and `/`-separated, without `.`, `..` or a trailing slash. */
export type TarEntry =
  | {
      readonly type: 'file';
      readonly path: string;
      readonly executable: boolean;
      readonly content: Uint8Array;
    }
  | { readonly type: 'directory'; readonly path: string }
  | { readonly type: 'link'; readonly path: string; readonly target: string };

export const blockBytes = 512;
export const endOfArchive = Buffer.alloc(2 * blockBytes);

const nameBytes = 100;
const pathBytes = 1_024;
const componentBytes = 255;
const typeFlags = { file: '0', link: '2', directory: '5', pax: 'x' } as const;

/** The bytes before an entry's content: its header, and a pax header before that when a name is long. */
export function encodeHead(entry: TarEntry): Buffer {
  const name = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const target = entry.type === 'link' ? entry.target : '';
  const mode = entry.type === 'file' && !entry.executable ? 0o644 : 0o755;
  const size = entry.type === 'file' ? entry.content.length : 0;
  const header = encodeHeader({ name, target, mode, size, flag: typeFlags[entry.type] });
  const records = Buffer.concat([paxRecord('path', name), paxRecord('linkpath', target)]);
  if (records.length === 0) return header;
  const paxHeader = { name: 'PaxHeader', target: '', mode: 0o644, size: records.length, flag: typeFlags.pax };
  return Buffer.concat([encodeHeader(paxHeader), records, padding(records.length), header]);
}

/** The zero bytes that fill the last block of `size` bytes. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

/** Why `path` cannot be an entry's path, or undefined. */
export function pathProblem(path: string): string | undefined {
  if (path.startsWith('/')) return 'is an absolute path';
  if (path.includes('\0')) return 'holds a NUL character';
  if (Buffer.byteLength(path) > pathBytes) return `is longer than ${pathBytes} bytes`;
  for (const part of path.split('/')) {
    if (part === '..' || part === '.' || part === '') return `has the part "${part}"`;
    if (Buffer.byteLength(part) > componentBytes) return `has a part longer than ${componentBytes} bytes`;
  }
  return undefined;
}

/**
 * Why an entry cannot stand where it stands, or undefined. Its parent must be a directory of the archive. A link
 * must be relative and lead, through real directories only, to an entry: a link on the way would make `..` mean
 * another place than the text says.
 */
export function placeProblem(
  entry: TarEntry,
  types: ReadonlyMap<string, TarEntry['type']>,
): string | undefined {
  const way = entry.path.split('/').slice(0, -1);
  if (way.length > 0 && types.get(way.join('/')) !== 'directory')
    return 'lies in no directory of the archive';
  if (entry.type !== 'link') return undefined;
  if (entry.target.startsWith('/')) return `links to the absolute path "${entry.target}"`;
  for (const part of entry.target.split('/')) {
    if (part === '' || part === '.') continue;
    if (way.length > 0 && types.get(way.join('/')) !== 'directory') {
      return `links to "${entry.target}", which goes through something other than a directory`;
    }
    if (part !== '..') way.push(part);
    else if (way.pop() === undefined) return `links to "${entry.target}", which leaves the directory`;
  }
  if (way.length === 0 || types.has(way.join('/'))) return undefined;
  return `links to "${entry.target}", which is not in the directory`;
}

export function typesByPath(entries: Iterable<TarEntry>): Map<string, TarEntry['type']> {
  return new Map(Array.from(entries, ({ path, type }) => [path, type]));
}

interface Header {
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly size: number;
  readonly flag: string;
}

function encodeHeader({ name, target, mode, size, flag }: Header): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.set(cut(name), 0);
  block.write(`${octal(mode, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100);
  block.write(`${octal(size, 11)}\0${octal(0, 11)}\0`, 124);
  block.write(`        ${flag}`, 148);
  block.set(cut(target), 157);
  block.write('ustar\x0000', 257);
  block.write(`${octal(0, 7)}\0${octal(0, 7)}\0`, 329);
  block.write(`${octal(checksum(block), 6)}\0 `, 148);
  return block;
}

/** The part of a name that fits the header; the pax header has the rest of a long one. Never half a character. */
function cut(text: string): Buffer {
  const bytes = Buffer.from(text);
  let end = Math.min(bytes.length, nameBytes);
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

/** The sum of a header's bytes, those of the sum itself taken for spaces. */
export function checksum(block: Uint8Array): number {
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  return sum;
}

/** A record begins with its own length in bytes, the digits of that length included. */
function paxRecord(key: string, value: string): Buffer {
  if (Buffer.byteLength(value) <= nameBytes) return Buffer.alloc(0);
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (String(length).length > String(bytes).length) length += 1;
  return Buffer.from(`${length}${rest}`);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
