import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { streamed } from './buffer-memory.ts';

/** Small pieces: what is read ahead of a slow reader is in memory. */
const pieceBytes = 64 * 1024;

export interface Part {
  readonly start?: number;
  /** Included. */
  readonly end?: number;
  /** Called when all bytes were read and the file is still open; the stream fails as it does. */
  readonly atEnd?: () => Promise<void>;
}

/** The bytes of a part, or of all. Closes the file at the end, or when it is destroyed. */
export function streamOf(
  file: FileHandle,
  { start = 0, end = Number.POSITIVE_INFINITY, atEnd }: Part = {},
): Readable {
  let at = start;
  return new Readable({
    highWaterMark: pieceBytes,
    read() {
      const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, end - at + 1));
      const reading = async () => {
        const { bytesRead } = await file.read(piece, 0, piece.length, at);
        at += bytesRead;
        streamed(piece);
        if (bytesRead === 0) await atEnd?.();
        return bytesRead === 0 ? null : piece.subarray(0, bytesRead);
      };
      reading().then(
        (read) => this.push(read),
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      file.close().then(
        () => done(error),
        (cause: Error) => done(error ?? cause),
      );
    },
  });
}
