import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { asOsaError, OsaError } from '../../error.ts';
import { mismatch } from '../blob.ts';
import { sizeOf } from './read.ts';
import type { S3Answer, S3Client } from './request.ts';
import { text } from './xml.ts';

/** Bytes of a part, which is in memory: 10,000 of them are the most, and so a blob has at most 78 GiB. */
export const partBytes = 8 * 2 ** 20;

export interface Writing {
  readonly key: string;
  readonly sha256: string;
  readonly maxBytes: number;
}

/**
 * Writes a blob as one object, in parts if it is large. The object appears only if the bytes have the digest. Each
 * request carries the SHA-256 of its body, which the store compares.
 *
 * @throws OsaError `invalid` (another digest), `too_large`, `unavailable`
 */
export async function writeObject(
  client: S3Client,
  source: Readable,
  { key, sha256, maxBytes }: Writing,
): Promise<{ readonly size: number }> {
  const hash = createHash('sha256');
  const parts = partsOf(source, { maxBytes, seen: (piece) => hash.update(piece) });
  const requireMatch = () => {
    const found = hash.digest('hex');
    if (found !== sha256) throw mismatch(sha256, found);
  };
  const first = await parts.next();
  const body = first.value ?? Buffer.alloc(0);
  if (body.length < partBytes) {
    requireMatch();
    await client.send({ method: 'PUT', key, body }, done);
    return { size: body.length };
  }
  return inParts(client, key, { first: body, parts, requireMatch });
}

interface Parts {
  readonly first: Buffer;
  readonly parts: AsyncIterable<Buffer>;
  /** @throws OsaError `invalid` */
  readonly requireMatch: () => void;
}

async function inParts(client: S3Client, key: string, from: Parts): Promise<{ readonly size: number }> {
  const upload = await begin(client, key);
  try {
    const tags = [await sendPart(client, key, { upload, number: 1, body: from.first })];
    let size = partBytes;
    for await (const body of from.parts) {
      tags.push(await sendPart(client, key, { upload, number: tags.length + 1, body }));
      size += body.length;
    }
    from.requireMatch();
    await join(client, key, { upload, tags, size });
    return { size };
  } catch (error) {
    // A silent store is asked nothing more; a later clean-up removes the parts.
    const isSilent = asOsaError(error)?.details.code === 'timeout';
    if (!isSilent) await abandon(client, key, upload).catch(() => undefined);
    throw error;
  }
}

async function begin(client: S3Client, key: string): Promise<string> {
  const answer = await client.send({ method: 'POST', key, query: { uploads: '' } }, (one) => one.text());
  const upload = text(answer, 'UploadId');
  if (upload) return upload;
  throw new OsaError('unavailable', 'the store does not name the upload that it began; is it an S3 store?');
}

interface Part {
  readonly upload: string;
  readonly number: number;
  readonly body: Buffer;
}

async function sendPart(client: S3Client, key: string, { upload, number, body }: Part): Promise<string> {
  const query = { partNumber: String(number), uploadId: upload };
  return client.send({ method: 'PUT', key, query, body }, async (answer) => {
    const tag = answer.headers.get('etag');
    await done(answer);
    if (tag !== null) return tag;
    throw new OsaError('unavailable', 'the store gives no ETag for a part; is it an S3 store?');
  });
}

interface Joining {
  readonly upload: string;
  readonly tags: readonly string[];
  readonly size: number;
}

/**
 * Joins the parts. The answer may be lost, and the store then no longer knows the upload at the next try. An object of
 * the right size shows that the first try succeeded. The answer may also be 200 and hold an error.
 */
async function join(client: S3Client, key: string, { upload, tags, size }: Joining): Promise<void> {
  const list = tags.map(
    (tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`,
  );
  const body = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`);
  const request = { method: 'POST', key, query: { uploadId: upload }, body, accepts: [404] } as const;
  const headers = { 'content-type': 'application/xml' };
  const isJoined = await client.send(
    { ...request, headers, timeoutMs: client.patience.joinMs, silenceMs: client.patience.joinMs },
    async (answer) => {
      const said = await answer.text();
      const code = text(said, 'Code');
      if (answer.status === 404 || code === 'NoSuchUpload') return false;
      // Not an OsaError, so that it is tried again.
      if (code !== undefined) throw new Error(`joining the parts failed: ${code}`);
      return true;
    },
  );
  if (isJoined || (await storedSize(client, key)) === size) return;
  throw new OsaError(
    'unavailable',
    `the store lost the upload of ${key} before it was complete; send it again`,
  );
}

async function storedSize(client: S3Client, key: string): Promise<number | undefined> {
  return client.send({ method: 'HEAD', key, accepts: [404] }, async ({ status, headers }) =>
    status === 404 ? undefined : sizeOf(headers, key),
  );
}

/** Removes the parts of an upload. */
export async function abandon(client: S3Client, key: string, upload: string): Promise<void> {
  await client.send({ method: 'DELETE', key, query: { uploadId: upload }, accepts: [404] }, done);
}

export async function done(answer: S3Answer): Promise<void> {
  await answer.text();
}

function escaped(tag: string): string {
  return tag.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

/**
 * Pieces of exactly `partBytes`, and one that is shorter at the end, perhaps empty. All are in one buffer, so a piece is
 * good until the next is asked for. Does not destroy the source.
 */
async function* partsOf(
  source: Readable,
  { maxBytes, seen }: { readonly maxBytes: number; readonly seen: (piece: Uint8Array) => void },
): AsyncGenerator<Buffer, undefined> {
  const part = Buffer.allocUnsafeSlow(Math.min(partBytes, maxBytes));
  let held = 0;
  let size = 0;
  const chunks: AsyncIterable<Uint8Array> = source.iterator({ destroyOnReturn: false });
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new OsaError('too_large', `the blob is larger than the ${maxBytes} bytes allowed`, {
        details: { limit: maxBytes },
      });
    }
    seen(chunk);
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.subarray(at, at + partBytes - held);
      part.set(taken, held);
      held += taken.length;
      at += taken.length;
      if (held < partBytes) continue;
      yield part;
      held = 0;
    }
  }
  if (held > 0) yield part.subarray(0, held);
  return undefined;
}
