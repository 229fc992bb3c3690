import { Readable } from 'node:stream';
import type { TableFile } from '@osa/core/data/format/file';
import type { TableRow } from '@osa/core/data/table';
import { asOsaError } from '@osa/core/error';
import { whileWanted } from '@osa/core/postgres/connection/connect';
import type { Turn } from './shares.ts';

export interface FileReading {
  /** Waits for a turn among the readers. */
  readonly take: () => Promise<Turn>;
  /** Aborted when the client has gone. */
  readonly client: AbortSignal;
  /** Called after each part that was read. */
  readonly onPart: (part: { readonly rows: number }) => void;
  /** Called before each piece is sent. */
  readonly onPiece: (piece: { readonly bytes: number }) => void;
}

/**
 * The bytes of a file, made as its client takes them. Each part of the table is read in a turn of its own, so a slow
 * client holds no connection. The first part is read before this answers, so that what is wrong with the query is still
 * told.
 */
export async function fileStream(file: TableFile, first: Turn, reading: FileReading): Promise<Readable> {
  const iterator = file.parts[Symbol.asyncIterator]();
  const next = async (turn: Turn) => {
    try {
      const part = await whileWanted(reading.client, () => iterator.next());
      if (!part.done) reading.onPart({ rows: part.value.length });
      return part;
    } finally {
      turn.end();
    }
  };
  let part = await next(first);
  async function* parts(): AsyncGenerator<readonly TableRow[]> {
    try {
      for (; !part.done; part = await next(await patientTurn(reading))) yield part.value;
    } finally {
      await iterator.return?.();
    }
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of file.encode(parts())) {
      reading.onPiece({ bytes: piece.length });
      yield piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: 64 * 1024 });
}

/** A file that has begun waits as long as its client does. */
async function patientTurn({ take, client }: FileReading): Promise<Turn> {
  for (;;) {
    try {
      return await take();
    } catch (error) {
      const isPassing = ['busy', 'rate_limited'].includes(asOsaError(error)?.code ?? '');
      if (!isPassing) throw error;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        client.addEventListener('abort', () => {
          clearTimeout(timer);
          resolve();
        });
      });
      client.throwIfAborted();
    }
  }
}
