import { setTimeout as wait } from 'node:timers/promises';
import { asOsaError, OsaError } from '../../error.ts';
import type { S3Answer, S3Client } from './request.ts';

/** An object whose bytes can be read. */
export interface S3Object {
  readonly size: number;
  /** Goes on where a connection broke; may be called once. */
  pieces(): AsyncGenerator<Uint8Array>;
}

/**
 * Opens an object. Undefined when there is none.
 *
 * @throws OsaError `unavailable`
 */
export async function openObject(client: S3Client, key: string): Promise<S3Object | undefined> {
  const head = await client.send({ method: 'HEAD', key, accepts: [404] }, async ({ status, headers }) =>
    status === 404 ? undefined : { size: sizeOf(headers, key), etag: headers.get('etag') },
  );
  return head && { size: head.size, pieces: () => pieces(client, key, head) };
}

export function sizeOf(headers: Headers, key: string): number {
  const size = Number(headers.get('content-length') ?? Number.NaN);
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw new OsaError(
    'unavailable',
    `the store does not say the size of ${key}; its answer has no Content-Length`,
  );
}

interface Head {
  readonly size: number;
  readonly etag: string | null;
}

/** Ranges are asked for one after another, each as long as its connection holds. */
async function* pieces(client: S3Client, key: string, { size, etag }: Head): AsyncGenerator<Uint8Array> {
  const { tries, waitMs, silenceMs } = client.patience;
  let heardAt = performance.now();
  const silentMs = () => performance.now() - heardAt;
  let at = 0;
  let failures = 0;
  while (at < size) {
    const before = at;
    try {
      for await (const piece of rangeFrom(client, key, {
        at,
        size,
        etag,
        silenceMs: silenceMs - silentMs(),
      })) {
        at += piece.length;
        if (at > size) throw changed(key);
        yield piece;
        heardAt = performance.now();
      }
      if (at < size) throw new Error(`the answer ended after ${at} of ${size} bytes`);
    } catch (error) {
      if (asOsaError(error)) throw error;
      // A store that gives a little each time is not read for ever.
      failures += at - before > 2 ** 20 ? 0.2 : 1;
      if (failures >= tries || silentMs() >= silenceMs) throw broken(key, { at, size, cause: error });
      await wait(waitMs);
    }
  }
}

interface From extends Head {
  readonly at: number;
  readonly silenceMs: number;
}

/** The answer is read outside of `send`, so that a break is gone on from and not repeated. */
async function* rangeFrom(client: S3Client, key: string, from: From): AsyncGenerator<Uint8Array> {
  const { at, size, etag, silenceMs } = from;
  const headers = { range: `bytes=${at}-${size - 1}`, ...(etag !== null && { 'if-match': etag }) };
  const { promise, resolve } = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<S3Answer>();
  // `send` closes the answer's timer when its reader is done, so it is done when the last piece is taken.
  const sending = client.send(
    { method: 'GET', key, headers, accepts: [404, 412], silenceMs },
    async (answer) => {
      answered.resolve(answer);
      await promise;
    },
  );
  sending.catch(answered.reject);
  const answer = await answered.promise;
  try {
    if (answer.status === 404 || answer.status === 412) throw changed(key);
    if (answer.status !== 206 && at > 0) throw new Error(`the store ignores ranges (${answer.status})`);
    yield* answer.pieces();
  } finally {
    resolve();
    answer.cancel();
    await sending.catch(() => undefined);
  }
}

function changed(key: string): OsaError {
  return new OsaError(
    'unavailable',
    `${key} was replaced or removed in the store while it was read; try again`,
  );
}

function broken(key: string, { at, size, cause }: { at: number; size: number; cause: unknown }): OsaError {
  return new OsaError(
    'unavailable',
    `the store breaks off while ${key} is read, after ${at} of ${size} bytes; try again`,
    { details: { at, size }, cause },
  );
}
