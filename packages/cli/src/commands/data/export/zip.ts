import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { Entry, ZipFile as ZipReader } from 'yauzl';
import type { Files } from './verify.ts';

/** An export as one zip file. */

export interface Packing {
  readonly directory: string;
  readonly target: string;
  /** The files of the directory that it gets. */
  readonly paths: readonly string[];
  /** The time that all files have. */
  readonly at: Date;
  readonly signal: AbortSignal;
  /** Hears how many bytes of the zip file are written so far. */
  readonly onWritten?: (bytes: number) => void;
}

/** Packs files of a directory, which are read one after the other. The zip file gets its name when it is complete. */
export async function packZip({ directory, target, paths, at, signal, onWritten }: Packing): Promise<void> {
  const { default: yazl } = await import('yazl');
  const made = `${directory}.zip`;
  const zip = new yazl.ZipFile();
  for (const path of paths) {
    // Parquet is packed already.
    const options = { mtime: at, mode: 0o100644, compress: !path.endsWith('.parquet') };
    zip.addFile(join(directory, path), path, options);
  }
  zip.end();
  let written = 0;
  async function* counted(source: AsyncIterable<Buffer>) {
    for await (const piece of source) {
      written += piece.length;
      onWritten?.(written);
      yield piece;
    }
  }
  const failed = new Promise<never>((_, reject) => zip.once('error', reject));
  await Promise.race([pipeline(zip.outputStream, counted, createWriteStream(made), { signal }), failed]);
  const file = await open(made, 'r+');
  await file.sync().finally(() => file.close());
  await rename(made, target);
  await rm(directory, { recursive: true });
}

/** The files in a zip file; nothing of it is written anywhere. */
export async function zipFiles(path: string, stop: AbortSignal): Promise<Files & AsyncDisposable> {
  const { default: yauzl } = await import('yauzl');
  const zip = await yauzl
    .openPromise(path, { lazyEntries: true, autoClose: false })
    .catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
  const entries = await entriesOf(zip, path);
  const read = async (name: string) => zip.openReadStreamPromise(entries.get(name) as Entry);
  return {
    name: path,
    paths: async () => [...entries.keys()].sort(),
    async digest(name) {
      const hash = createHash('sha256');
      try {
        for await (const chunk of addAbortSignal(stop, await read(name))) hash.update(chunk as Buffer);
      } catch {
        stop.throwIfAborted();
        // A file that cannot be unpacked is not the one that was packed.
        return undefined;
      }
      return hash.digest('hex');
    },
    async text(name) {
      const chunks: Buffer[] = [];
      if ((entries.get(name)?.uncompressedSize ?? 0) > bounds.requestBytes) {
        throw unreadable(path, new Error(`${name} is too large`));
      }
      for await (const chunk of await read(name)) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    },
    [Symbol.asyncDispose]: async () => zip.close(),
  };
}

/** More files than any export has. */
const mostEntries = 10_000;

async function entriesOf(zip: ZipReader, path: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      if (entries.has(entry.fileName)) throw new Error(`it has ${entry.fileName} twice`);
      entries.set(entry.fileName, entry);
      if (entries.size > mostEntries) throw new Error(`it has more than ${mostEntries} files`);
    }
  } catch (cause) {
    zip.close();
    throw unreadable(path, cause);
  }
  return entries;
}

function unreadable(path: string, cause: unknown): OsaError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new OsaError('usage', `${path} cannot be read as a zip file: ${why}`, { field: '--verify', cause });
}
