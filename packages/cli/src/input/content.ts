import { OsaError } from '@osa/core/error';
import { type Peeked, unpacked } from './bytes.ts';
import { type Format, formatOf } from './format.ts';
import { JsonLines } from './json-lines.ts';
import { separatorNamed, separatorOf } from './table.ts';
import { decoded, encodingOfMark } from './text.ts';

/** How a file is to be read, where its content does not say so. */
export interface Reading {
  readonly format: Format | undefined;
  readonly separator: string | undefined;
  readonly encoding: string | undefined;
}

/** A file whose kind is known. It is read once, by `text` or by `lines`. */
export interface Content {
  readonly format: Format;
  readonly isTable: boolean;
  /** Enough of the beginning to recognise the format. */
  readonly head: string;
  /** Between cells. */
  readonly separator: string;
  /** The text of a table; of JSON a record on each line. */
  text(): AsyncIterable<string>;
  /** JSON, a record on each line. */
  lines(): AsyncIterable<Buffer>;
}

/** @throws OsaError `usage` for a file that holds no text, and when it is read for what is wrong with it */
export async function contentOf(
  name: string,
  source: AsyncIterable<Uint8Array>,
  { format: given, separator, encoding }: Reading,
): Promise<Content> {
  const peeked = await unpacked(name, source);
  const head = startOf(peeked, encoding);
  if (/^[^\r\n]*\0/.test(head)) throw notText(name);
  const format = given ?? formatOf(name, head);
  const isTable = format === 'csv' || format === 'tsv';
  const lines = () => {
    const bytes = utf8(name, peeked, encoding);
    return format === 'json' ? jsonLines(name, bytes) : bytes;
  };
  return {
    format,
    isTable,
    head,
    separator: separator ?? separatorNamed(head) ?? (format === 'tsv' ? '\t' : separatorOf(head)),
    text: () =>
      isTable
        ? decoded(name, peeked, encoding)
        : decoded(name, { head: Buffer.alloc(0), bytes: lines() }, 'utf-8'),
    lines,
  };
}

function notText(name: string): OsaError {
  return new OsaError(
    'usage',
    `${name} is not text: its first line has a byte of zero. Unpack an archive such as .tar first; UTF-16 without a byte ` +
      'order mark takes --encoding utf-16le or utf-16be',
  );
}

/** Ignores text that cannot be decoded; reading it reports that. */
function startOf({ head }: Peeked, encoding: string | undefined): string {
  return new TextDecoder(encoding ?? encodingOfMark(head)).decode(head, { stream: true });
}

/** Without a byte order mark. UTF-8 is passed on as it is: the server checks it, and says which byte is wrong. */
async function* utf8(name: string, content: Peeked, encoding: string | undefined): AsyncGenerator<Buffer> {
  if ((encoding ?? encodingOfMark(content.head)) !== 'utf-8') {
    for await (const piece of decoded(name, content, encoding)) yield Buffer.from(piece);
    return;
  }
  let skip = content.head.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? 3 : 0;
  for await (const chunk of content.bytes) {
    yield chunk.subarray(skip);
    skip = 0;
  }
}

async function* jsonLines(name: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const lines = new JsonLines(name);
  for await (const chunk of bytes) yield* lines.cut(chunk);
  yield* lines.end();
}
