import { Readable } from 'node:stream';
import { OsaError } from '../../error.ts';
import { isDigest, notStored, requireDigest, verified } from '../blob.ts';
import type { BlobStore, Listed } from '../index.ts';
import { openObject, sizeOf } from './read.ts';
import { type S3Client, type S3Options, s3Client } from './request.ts';
import { abandon, done, writeObject } from './write.ts';
import { text, texts } from './xml.ts';

/** Blobs as objects of an S3-compatible store: `<prefix><digest>`. Whatever else is below the prefix is foreign. */
export function s3Blobs(options: S3Options): BlobStore {
  const client = s3Client(options);
  const { prefix } = client.target;
  const keyOf = (sha256: string): string => {
    requireDigest(sha256);
    return `${prefix}${sha256}`;
  };
  return {
    async put(sha256, source, { maxBytes }) {
      return writeObject(client, source, { key: keyOf(sha256), sha256, maxBytes });
    },
    async open(sha256) {
      const object = await openObject(client, keyOf(sha256));
      if (object === undefined) throw notStored(sha256);
      return Readable.from(verified(object.pieces(), sha256), { objectMode: false });
    },
    async find(sha256) {
      const key = keyOf(sha256);
      return client.send({ method: 'HEAD', key, accepts: [404] }, async ({ status, headers }) =>
        status === 404
          ? undefined
          : { size: sizeOf(headers, key), storedAt: new Date(headers.get('last-modified') ?? Number.NaN) },
      );
    },
    list: () => list(client),
    async remove(sha256) {
      await client.send({ method: 'DELETE', key: keyOf(sha256), accepts: [404] }, done);
    },
    removeUnfinished: (before) => removeUnfinished(client, before),
  };
}

/**
 * Looks whether the store can be used.
 *
 * @throws OsaError `unavailable` that says what is wrong with it
 */
export async function requireStore(options: S3Options): Promise<void> {
  const client = s3Client(options);
  await page(client, { 'max-keys': '1' });
}

async function* list(client: S3Client): AsyncGenerator<Listed> {
  let token: string | undefined;
  do {
    const answer = await page(client, token === undefined ? {} : { 'continuation-token': token });
    for (const entry of texts(answer, 'Contents')) yield listed(client, entry);
    token = nextOf(answer, 'NextContinuationToken', token);
  } while (token !== undefined);
}

function page(client: S3Client, query: Readonly<Record<string, string>>): Promise<string> {
  const all = { 'list-type': '2', prefix: client.target.prefix, 'encoding-type': 'url', ...query };
  return client.send({ method: 'GET', key: '', query: all }, (answer) => answer.text());
}

function listed({ target }: S3Client, entry: string): Listed {
  const name = decodeURIComponent((text(entry, 'Key') ?? '').replaceAll('+', ' '));
  const rest = name.slice(target.prefix.length);
  return {
    sha256: isDigest(rest) ? rest : undefined,
    name,
    size: Number(text(entry, 'Size')),
    storedAt: new Date(text(entry, 'LastModified') ?? Number.NaN),
  };
}

/** The token of the next page. A store that gives the same one again would be asked for ever. */
function nextOf(answer: string, name: string, last: string | undefined): string | undefined {
  if (text(answer, 'IsTruncated') !== 'true') return undefined;
  const next = text(answer, name);
  if (next && next !== last) return next;
  throw new OsaError('unavailable', `the store cuts its list and gives no ${name} to go on with`);
}

async function removeUnfinished(client: S3Client, before: Date): Promise<number> {
  const { prefix } = client.target;
  let removed = 0;
  let marker: string | undefined;
  do {
    const query = { uploads: '', prefix, ...(marker !== undefined && { 'key-marker': marker }) };
    const answer = await client.send({ method: 'GET', key: '', query }, (one) => one.text());
    for (const entry of texts(answer, 'Upload')) {
      const [key = '', id = ''] = [text(entry, 'Key'), text(entry, 'UploadId')];
      const isOurs = key.startsWith(prefix) && isDigest(key.slice(prefix.length));
      if (!isOurs || !(new Date(text(entry, 'Initiated') ?? Number.NaN) < before)) continue;
      await abandon(client, key, id);
      removed += 1;
    }
    marker = nextOf(answer, 'NextKeyMarker', marker);
  } while (marker !== undefined);
  return removed;
}
