import { readFile, stat } from 'node:fs/promises';
import { asOsaError, OsaError } from '@osa/core/error';
import { decodeUtf8 } from '@osa/core/json/parse';
import { systemCode } from '@osa/core/system/error';

const maxBytes = 1024 * 1024;

/**
 * All text of a stream, such as standard input, of at most `mostBytes`.
 *
 * @throws OsaError `usage` as soon as it is longer
 */
export async function readTextStream(
  stream: AsyncIterable<Uint8Array | string>,
  {
    shown,
    field,
    mostBytes = maxBytes,
  }: { readonly shown: string; readonly field: string; readonly mostBytes?: number },
): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stream) {
    pieces.push(Buffer.from(piece as Uint8Array));
    size += piece.length;
    if (size > mostBytes)
      throw new OsaError('usage', `${shown} is longer than ${mostBytes} bytes`, { field });
  }
  return Buffer.concat(pieces).toString('utf8');
}

/**
 * The text of a file of at most 1 MiB. `shown` is its name and `field` the argument that named it, as errors say
 * them; `ifMissing` is what to do when it is not there.
 *
 * @throws OsaError `usage` when there is no such file, or when it is not a file, too large, or not UTF-8.
 */
export async function readTextFile(
  path: string,
  {
    shown,
    field,
    ifMissing,
  }: { readonly shown: string; readonly field: string; readonly ifMissing?: string },
): Promise<string> {
  const unusable = (problem: string, cause?: unknown) =>
    new OsaError('usage', `${shown} ${problem}`, { field, cause });
  let bytes: Buffer;
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) throw unusable('is a directory; name a file in it');
    if (!stats.isFile()) throw unusable('is not a file');
    if (stats.size > maxBytes) throw unusable(`has ${stats.size} bytes, at most ${maxBytes} are read`);
    bytes = await readFile(path);
  } catch (cause) {
    const code = systemCode(cause);
    if (code === undefined) throw cause;
    const missing = `is not there${ifMissing === undefined ? '' : `; ${ifMissing}`}`;
    throw unusable(code === 'ENOENT' ? missing : `cannot be read (${code})`, cause);
  }
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    const flaw = asOsaError(cause);
    if (!flaw) throw cause;
    const line = bytes.subarray(0, Number(flaw.details.offset)).toString('latin1').split('\n').length;
    throw unusable(`is not UTF-8: on line ${line}, ${flaw.message}; save it as UTF-8`, cause);
  }
}
