import type { BlobStore, Listed } from './index.ts';
import type { Inventory } from './inventory.ts';

export interface Cleaning {
  /** Longer than any upload takes, from its first byte to the deploy or the ingestion that refers to it. */
  readonly graceSeconds: number;
  /** Only tells what would be removed. */
  readonly isPlan: boolean;
  readonly onRemoved?: (sha256: string, size: number) => void;
  /** After each page of removals. */
  readonly onPage?: () => Promise<void>;
}

export interface Cleaned {
  readonly removed: number;
  readonly bytes: number;
  /** Uploads that broke off. */
  readonly unfinished: number;
}

const pageSize = 500;

/**
 * Removes what nothing refers to, and what broke off, once it is older than the grace. It never removes what an upload under
 * way needs: each removal is decided while nobody can begin to use the bytes. Foreign things stay.
 *
 * @throws OsaError `unavailable`
 */
export async function cleanStore(
  store: BlobStore,
  inventory: Inventory,
  cleaning: Cleaning,
): Promise<Cleaned> {
  const { graceSeconds, isPlan } = cleaning;
  let [removed, bytes] = [0, 0];
  const clean = async (page: readonly Found[]) => {
    for (const { sha256, size } of await unneeded(inventory, page, graceSeconds)) {
      if (!isPlan && !(await remove(store, inventory, { sha256, graceSeconds }))) continue;
      cleaning.onRemoved?.(sha256, size);
      removed += 1;
      bytes += size;
    }
    await cleaning.onPage?.();
  };
  for await (const page of pages(stored(store, graceSeconds))) await clean(page);
  // Files whose bytes are gone, and that nothing needs.
  for await (const page of pages(inventory.named())) {
    const gone: Found[] = [];
    for (const one of await unneeded(inventory, page, graceSeconds)) {
      if ((await store.find(one.sha256)) === undefined) gone.push({ ...one, size: 0 });
    }
    await clean(gone);
  }
  const before = new Date(Date.now() - graceSeconds * 1_000);
  const unfinished = isPlan ? 0 : await store.removeUnfinished(before);
  if (!isPlan) await inventory.forgetUses(graceSeconds);
  return { removed, bytes, unfinished };
}

interface Found {
  readonly sha256: string;
  readonly size: number;
}

async function unneeded(
  inventory: Inventory,
  page: readonly Found[],
  graceSeconds: number,
): Promise<readonly Found[]> {
  const digests = new Set(
    await inventory.unneeded(
      page.map(({ sha256 }) => sha256),
      graceSeconds,
    ),
  );
  return page.filter(({ sha256 }) => digests.has(sha256));
}

/** The bytes are looked at once more, since they may have come again. */
function remove(
  store: BlobStore,
  inventory: Inventory,
  { sha256, graceSeconds }: { readonly sha256: string; readonly graceSeconds: number },
): Promise<boolean> {
  return inventory.forget(sha256, graceSeconds, async () => {
    const found = await store.find(sha256);
    if (found && !isOld(found, graceSeconds)) return false;
    await store.remove(sha256);
    return true;
  });
}

async function* stored(store: BlobStore, graceSeconds: number): AsyncGenerator<Found> {
  for await (const { sha256, size, storedAt } of store.list()) {
    if (sha256 !== undefined && isOld({ storedAt }, graceSeconds)) yield { sha256, size };
  }
}

function isOld({ storedAt }: Pick<Listed, 'storedAt'>, graceSeconds: number): boolean {
  return Date.now() - Number(storedAt) > graceSeconds * 1_000;
}

async function* pages<T>(all: AsyncIterable<T>): AsyncGenerator<readonly T[]> {
  let page: T[] = [];
  for await (const one of all) {
    page.push(one);
    if (page.length < pageSize) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
