import type { Readable } from 'node:stream';
import type { Principal } from '../auth/principal.ts';
import { requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { BlobStore } from '../storage/index.ts';
import type { Store } from '../store.ts';
import { showRelease } from './read.ts';

/**
 * The packed directory of a release. Code may hold secrets, as configs may, so it takes the same scope to see it.
 *
 * @throws OsaError `access_denied`, `not_found` (hook, release, bytes), `invalid` for a release of an image
 */
export async function releaseCode(
  { store, blobs }: { readonly store: Store; readonly blobs: BlobStore },
  principal: Principal,
  named: { readonly name: string; readonly version: number },
): Promise<Readable> {
  requireScope(principal, 'runs:read', named.name);
  const { runtime, image, digest } = await showRelease(store, principal, named);
  if (runtime === 'directory') return blobs.open(digest.replace(/^sha256:/, ''));
  throw new OsaError(
    'invalid',
    `version: release ${named.version} of ${named.name} runs an image, which its registry has: ${image}@${digest}`,
    { field: 'version', details: { image, digest } },
  );
}
