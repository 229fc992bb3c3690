import type { Readable } from 'node:stream';
import type { Entry, ZipFile } from 'yauzl';
import { OsaError } from '../../error.ts';

/** Entries of a workbook, and bytes of one entry once it is unpacked. */
const mostEntries = 1_000;
const entryBytes = 16 * 1024 * 1024;

/** The parts of a workbook, of which each is read by its name, as a stream that ends at its bound. */
export interface Parts {
  /** The text of a part, piece by piece; nothing where there is no such part. */
  read(name: string): AsyncIterable<string>;
}

/**
 * Opens a packed workbook. Only the parts that are read are unpacked.
 *
 * @throws OsaError `invalid` if it is not a workbook, and later `too_large` for a part that is larger than its bound, whatever the
 * archive says of its size
 */
export async function openParts(bytes: Buffer): Promise<Parts> {
  const { default: yauzl } = await import('yauzl');
  const zip = await yauzl
    .fromBufferPromise(bytes, { lazyEntries: true, strictFileNames: true })
    .catch((cause: unknown) => {
      throw noWorkbook('it is not a zip archive', cause);
    });
  const entries = new Map<string, Entry>();
  try {
    for await (const entry of zip.eachEntry()) {
      if (entries.size >= mostEntries) throw noWorkbook(`it has more than ${mostEntries} parts`);
      if (entries.has(entry.fileName)) throw noWorkbook(`it has two parts ${JSON.stringify(entry.fileName)}`);
      entries.set(entry.fileName, entry);
    }
  } catch (cause) {
    throw cause instanceof OsaError ? cause : noWorkbook('its directory is damaged', cause);
  }
  return {
    async *read(name) {
      const entry = entries.get(name);
      if (entry) yield* textOf(zip, entry);
    },
  };
}

async function* textOf(zip: ZipFile, entry: Entry): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let size = 0;
  let stream: Readable | undefined;
  try {
    stream = await zip.openReadStreamPromise(entry);
    for await (const piece of stream as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > entryBytes) {
        throw new OsaError(
          'too_large',
          `file: its part ${entry.fileName} has more than ${entryBytes} bytes`,
          {
            field: 'file',
            details: { limit: entryBytes },
          },
        );
      }
      yield decoder.decode(piece, { stream: true });
    }
    yield decoder.decode();
  } catch (cause) {
    throw cause instanceof OsaError ? cause : noWorkbook(`its part ${entry.fileName} is damaged`, cause);
  } finally {
    stream?.destroy();
  }
}

export function noWorkbook(why: string, cause?: unknown): OsaError {
  return new OsaError(
    'invalid',
    `file: it cannot be read as an .xlsx workbook, since ${why}; fill in the template (osa depositions template)`,
    { field: 'file', cause },
  );
}
