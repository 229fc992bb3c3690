import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { streamed } from './garbage.ts';

/** Small pieces: what is read ahead of a slow reader is in memory. */
const pieceBytes = 64 * 1024;

/** The bytes from `start` to `end`, both included. Closes the file at the end, or when it is destroyed. */
export function streamOf(
  file: FileHandle,
  { start = 0, end = Number.POSITIVE_INFINITY }: { readonly start?: number; readonly end?: number } = {},
): Readable {
  let at = start;
  return new Readable({
    highWaterMark: pieceBytes,
    read() {
      const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, end - at + 1));
      file.read(piece, 0, piece.length, at).then(
        ({ bytesRead }) => {
          at += bytesRead;
          streamed(piece);
          this.push(bytesRead === 0 ? null : piece.subarray(0, bytesRead));
        },
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
