import { OsaError } from '@osa/core/error';
import type { Peeked } from './bytes.ts';

/** Text of a file in whichever encoding, as UTF-8 without a byte order mark. */

/** @throws OsaError `usage`; its message follows "option '--encoding <NAME>' argument 'x' is invalid" */
export function encodingOf(given: string): string {
  try {
    return new TextDecoder(given).encoding;
  } catch (cause) {
    throw new OsaError('usage', 'It must be an encoding, such as utf-8, latin1, windows-1252 or utf-16le.', {
      cause,
    });
  }
}

/**
 * Decodes as it reads. Without `encoding` it is UTF-16 where a byte order mark says so, else UTF-8.
 *
 * @throws OsaError `usage` for bytes that are no text in this encoding, with the line
 */
export async function* decoded(
  name: string,
  { head, bytes }: Peeked,
  encoding: string | undefined,
): AsyncGenerator<string> {
  const chosen = encoding ?? encodingOfMark(head);
  const decoder = new TextDecoder(chosen, { fatal: true });
  let line = 1;
  for await (const chunk of bytes) {
    const text = decode(name, decoder, chunk, line);
    yield text;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) line += 1;
  }
  yield decode(name, decoder, undefined, line);
}

/** The encoding that a byte order mark names, else UTF-8. */
export function encodingOfMark(head: Buffer): string {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-8';
}

function decode(name: string, decoder: TextDecoder, chunk: Buffer | undefined, before: number): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch (cause) {
    const line = before + lineWithin(decoder.encoding, chunk);
    const isUtf8 = decoder.encoding === 'utf-8';
    const advice = isUtf8
      ? 'save it as UTF-8, or name its encoding, such as --encoding latin1 or --encoding windows-1252'
      : 'name the right one by --encoding';
    throw new OsaError(
      'usage',
      `${name} line ${line}: this is not ${isUtf8 ? 'UTF-8' : decoder.encoding}; ${advice}`,
      {
        details: { line },
        cause,
      },
    );
  }
}

/** The number of line ends of a chunk before its first piece that cannot be decoded. */
function lineWithin(encoding: string, chunk: Buffer | undefined): number {
  if (chunk === undefined || encoding !== 'utf-8') return 0;
  let lines = 0;
  let start = 0;
  for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
    // A character may have begun in the chunk before.
    const from = start === 0 ? firstWhole(chunk) : start;
    if (!isUtf8(chunk.subarray(from, Math.max(from, end)))) return lines;
    lines += 1;
    start = end + 1;
  }
  return lines;
}

function firstWhole(chunk: Buffer): number {
  let at = 0;
  while (at < 3 && ((chunk[at] ?? 0) & 0xc0) === 0x80) at += 1;
  return at;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
