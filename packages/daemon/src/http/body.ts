import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { streamed } from '@osa/core/file/buffer-memory';
import { parseJson } from '@osa/core/json/parse';
import { bounds } from '@osa/core/limits';
import type { BodyCount } from './body-memory.ts';

export interface BodyTimes {
  /** The longest pause between two pieces. */
  readonly idleMs: number;
  /** The longest time for all of it. */
  readonly totalMs?: number;
}

/**
 * Yields the body in chunks. The request is never destroyed here, because a destroyed one cannot be answered.
 *
 * @throws the error of the connection, or one with Node's own code if the body is too slow
 */
export async function* bodyChunks(
  request: IncomingMessage,
  { idleMs, totalMs = Number.POSITIVE_INFINITY }: BodyTimes,
): AsyncGenerator<Uint8Array> {
  const deadline = performance.now() + totalMs;
  while (!request.readableEnded) {
    const chunk: Uint8Array | null = request.read();
    if (chunk !== null) {
      streamed(chunk);
      yield chunk;
    } else if (!request.readableEnded) await more(request, Math.min(idleMs, deadline - performance.now()));
    if (performance.now() > deadline) throw tooSlow();
  }
}

/**
 * Receives a JSON body, and reads nothing of it.
 *
 * @throws OsaError `too_large` for more than `maxBytes`, of which no more are read; `busy`
 */
export async function receiveJson(
  request: IncomingMessage,
  { maxBytes, memory, ...times }: BodyTimes & { readonly maxBytes: number; readonly memory: BodyCount },
): Promise<Buffer> {
  requireSize(request, maxBytes);
  return await gathered(bodyChunks(request, times), { maxBytes, memory });
}

/**
 * The value of a JSON body and its SHA-256. Numbers keep their digits in the member `keptUnder`, or in the whole `body`.
 *
 * @throws OsaError `too_large` for more than `requestValues` values; `malformed` (not JSON, a key twice, …)
 */
export function readJson(
  bytes: Buffer,
  { keptUnder, maxPlainLength }: { readonly keptUnder: string; readonly maxPlainLength: number },
): { readonly value: unknown; readonly sha256: string } {
  const rules = { refuseProto: true, maxValues: bounds.requestValues, maxPlainLength };
  return {
    value:
      keptUnder === 'body'
        ? parseJson(bytes, { ...rules, numbers: 'kept' })
        : parseJson(bytes, { ...rules, numbers: 'strict', keptUnder }),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

/** The pieces in one buffer that grows: a client may send single bytes, and an object for each is fifty times as large. */
async function gathered(
  chunks: AsyncIterable<Uint8Array>,
  { maxBytes, memory }: { readonly maxBytes: number; readonly memory: BodyCount },
): Promise<Buffer> {
  let buffer = Buffer.alloc(0);
  let size = 0;
  for await (const chunk of chunks) {
    const end = size + chunk.length;
    if (end > maxBytes) throw tooLarge(maxBytes);
    if (end > buffer.length) {
      const room = Math.min(maxBytes, Math.max(end, 2 * buffer.length));
      memory.add(room - buffer.length);
      const larger = Buffer.allocUnsafe(room);
      larger.set(buffer.subarray(0, size));
      buffer = larger;
    }
    buffer.set(chunk, size);
    size = end;
  }
  return buffer.subarray(0, size);
}

/** Whether a request has no body: not an empty one of some type, and not one in chunks. */
export function lacksBody({ headers }: IncomingMessage): boolean {
  return (
    Number(headers['content-length'] ?? 0) === 0 &&
    headers['transfer-encoding'] === undefined &&
    headers['content-type'] === undefined
  );
}

/** Refuses a body whose Content-Length is already too large. @throws OsaError `too_large` */
export function requireSize(request: IncomingMessage, maxBytes: number): void {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

/** @throws OsaError `unsupported_media_type` for another type, a charset other than UTF-8, or any encoding */
export function requireMediaType(request: IncomingMessage, expected: string): void {
  const { 'content-type': type = '', 'content-encoding': encoding } = request.headers;
  const [essence = '', ...parameters] = type.toLowerCase().split(';');
  const charset = parameters.map((text) => text.trim()).find((text) => text.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  if (essence.trim() !== expected || !isUtf8) {
    const found = type === '' ? 'no Content-Type' : `the Content-Type ${JSON.stringify(type.slice(0, 100))}`;
    throw new OsaError('unsupported_media_type', `the request has ${found}; send ${expected} in UTF-8`, {
      field: 'Content-Type',
    });
  }
  if (encoding !== undefined) {
    throw new OsaError(
      'unsupported_media_type',
      'a Content-Encoding is not accepted; send the body without one',
      {
        field: 'Content-Encoding',
      },
    );
  }
}

/**
 * An answer to a request whose body was not read completely. The text is sent at once; then the rest of the body is
 * read and dropped, for a second at most. Closing while bytes arrive would reset the connection and lose the answer.
 */
export function lingering(text: string, request: IncomingMessage): Readable {
  async function* answer(): AsyncGenerator<Buffer> {
    yield Buffer.from(text);
    await restDropped(request);
  }
  return Readable.from(answer(), { objectMode: false });
}

const lingerMs = 1_000;

async function restDropped(request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, lingerMs);
  request
    .once('end', resolve)
    .once('close', resolve)
    .once('error', () => resolve());
  request.resume();
  await promise;
  clearTimeout(timer);
}

/** Resolves when a chunk can be read, or the body has ended. */
async function more(request: IncomingMessage, timeoutMs: number): Promise<void> {
  if (request.destroyed) throw request.errored ?? cutShort();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(tooSlow()), Math.max(0, timeoutMs));
  const proceed = () => resolve();
  const close = () => (request.readableEnded ? resolve() : reject(request.errored ?? cutShort()));
  request.on('readable', proceed).on('end', proceed).on('error', reject).on('close', close);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    request.off('readable', proceed).off('end', proceed).off('error', reject).off('close', close);
  }
}

function tooSlow(): Error {
  return Object.assign(new Error('the body did not arrive in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
}

function cutShort(): Error {
  return Object.assign(new Error('the connection ended within the body'), { code: 'ECONNRESET' });
}

function tooLarge(maxBytes: number): OsaError {
  return new OsaError('too_large', `the body is larger than the ${maxBytes} bytes allowed`, {
    details: { limit: maxBytes },
  });
}
