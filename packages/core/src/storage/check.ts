import { asOsaError } from '../error.ts';
import { systemCode } from '../system/error.ts';
import type { BlobStore, Listed } from './index.ts';
import type { Inventory } from './inventory.ts';

/** One thing in which database and store differ. */
export interface Finding {
  /**
   * `missing`: the database names it, and the store does not have it. `damaged`: its bytes are not those of its digest, or the
   * store has lost them. `unread`: they could not be read now, which says nothing about them. `unknown`: a blob that the
   * database does not name. `foreign`: a thing that is not a blob.
   */
  readonly kind: 'missing' | 'damaged' | 'unread' | 'unknown' | 'foreign';
  /** A digest, or a name in the store. */
  readonly name: string;
  /** The finding, for a person. */
  readonly detail: string;
}

export interface CheckOptions {
  /** Whether all bytes are read and compared; else names and sizes only. */
  readonly reads: boolean;
  /** Unknown blobs that are younger are uploads under way. */
  readonly graceSeconds: number;
}

/** The blobs that were looked at; where bytes are read, those that were read to their end. */
export interface Checked {
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Compares the database and the store both ways. It holds one page of each in memory; both are in the order of digests.
 *
 * @throws OsaError `unavailable` when one of them does not answer; then nothing is known about the rest
 */
export async function* checkStore(
  store: BlobStore,
  inventory: Inventory,
  { reads, graceSeconds }: CheckOptions,
): AsyncGenerator<Finding, Checked> {
  const named = inventory.named()[Symbol.asyncIterator]();
  let next = await named.next();
  let [blobs, bytes] = [0, 0];
  for await (const listed of store.list()) {
    if (listed.sha256 === undefined) {
      yield {
        kind: 'foreign',
        name: listed.name,
        detail: 'it is not named by a digest, so osad did not put it there',
      };
      continue;
    }
    while (!next.done && next.value.sha256 < listed.sha256) {
      yield* missing(store, inventory, next.value.sha256);
      next = await named.next();
    }
    const expected = !next.done && next.value.sha256 === listed.sha256 ? next.value : undefined;
    if (expected !== undefined) next = await named.next();
    else yield* unknown(inventory, listed, graceSeconds);
    const isWhole = expected === undefined || expected.size === listed.size;
    if (!isWhole) {
      yield {
        kind: 'damaged',
        name: listed.sha256,
        detail: `it has ${listed.size} bytes, not ${expected.size}`,
      };
    }
    const isCounted = reads ? isWhole && (yield* damage(store, inventory, listed.sha256)) : true;
    if (!isCounted) continue;
    blobs += 1;
    bytes += listed.size;
  }
  for (; !next.done; next = await named.next()) yield* missing(store, inventory, next.value.sha256);
  return { blobs, bytes };
}

/** It may have come while the store was listed, or gone from both meanwhile. */
async function* missing(store: BlobStore, inventory: Inventory, sha256: string): AsyncGenerator<Finding> {
  if ((await store.find(sha256)) !== undefined || !(await inventory.isNamed(sha256))) return;
  yield { kind: 'missing', name: sha256, detail: isMissing };
}

const isMissing = 'the database names it, and the store does not have it';

async function* unknown(
  inventory: Inventory,
  { sha256 = '', storedAt }: Listed,
  graceSeconds: number,
): AsyncGenerator<Finding> {
  const isYoung = Date.now() - Number(storedAt) < graceSeconds * 1_000;
  if (isYoung || (await inventory.isNamed(sha256))) return;
  yield {
    kind: 'unknown',
    name: sha256,
    detail: 'the database does not name it; osad storage gc removes it',
  };
}

/**
 * Reads a blob that the store lists. A store may list what it no longer has: it took an object away whose bytes it found
 * damaged, and its list comes later.
 *
 * @returns whether all of its bytes were read
 */
async function* damage(
  store: BlobStore,
  inventory: Inventory,
  sha256: string,
): AsyncGenerator<Finding, boolean> {
  const first = await failureOf(store, sha256);
  // A store that was only slow, and an object that was replaced meanwhile, can be read by now.
  const failure = first && first.kind !== 'damaged' ? await failureOf(store, sha256) : first;
  if (failure === undefined) return true;
  // A store that is away does not answer this either.
  const isGone = (await store.find(sha256)) === undefined || failure.kind === 'missing';
  if (isGone && !(await inventory.isNamed(sha256))) return false;
  const { isRead, ...finding } = failure;
  yield { ...finding, name: sha256 };
  return isRead;
}

interface Failure extends Pick<Finding, 'kind' | 'detail'> {
  readonly kind: 'missing' | 'damaged' | 'unread';
  readonly isRead: boolean;
}

/** Reads a blob to its end. Undefined where that works, and its bytes have the digest. */
async function failureOf(store: BlobStore, sha256: string): Promise<Failure | undefined> {
  try {
    const source = await store.open(sha256);
    for await (const _ of source);
    return undefined;
  } catch (error) {
    const known = asOsaError(error);
    if (known?.code === 'not_found') return { kind: 'missing', detail: isMissing, isRead: false };
    const { found, isBroken, code = systemCode(error) } = known?.details ?? {};
    if (typeof found === 'string') {
      return { kind: 'damaged', detail: `its bytes hash to sha256:${found}`, isRead: true };
    }
    if (known?.code !== 'unavailable' && code === undefined) throw error;
    const detail = `the store does not give its bytes: ${known?.message ?? code}`;
    // A disk says EIO of sectors that it has lost.
    if (isBroken === true || code === 'EIO') return { kind: 'damaged', detail, isRead: false };
    return { kind: 'unread', detail: `${detail}; check again later`, isRead: false };
  }
}
