import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { OsaError } from '@osa/core/error';
import type { TarEntry } from '@osa/core/hook/archive/tar';
import { bounds } from '@osa/core/limits';
import type { Client } from '../http/client.ts';

/** The packed directory of a release, as the server has it. */
export interface ReleaseCode {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly entries: readonly TarEntry[];
}

/**
 * Fetches the code of a release and checks that it is that of the release.
 *
 * @throws OsaError as the route does; `internal` for other bytes than those of the release
 */
export async function fetchCode(
  client: Client,
  { hook: name, version }: { readonly hook: string; readonly version: number },
): Promise<ReleaseCode> {
  const params = { name, version };
  const { digest } = await client.call('showRelease', { params });
  const bytes = await buffer(await client.call('releaseCode', { params }));
  const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (found !== digest) {
    throw new OsaError('internal', `the server sent code that hashes to ${found}; the release is ${digest}`, {
      details: { expected: digest, found },
    });
  }
  const { readArchive } = await import('@osa/core/hook/archive/untar');
  return { digest, bytes, entries: readArchive(bytes, { maxFiles: bounds.blobFiles }) };
}

export interface FileDifference {
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
}

/** The files and links in which two packages differ, by path. */
export function fileDifferences(from: ReleaseCode, to: ReleaseCode): FileDifference[] {
  const [before, after] = [contentsOf(from), contentsOf(to)];
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path): FileDifference[] => {
    const [old, next] = [before.get(path), after.get(path)];
    if (old === next) return [];
    return [{ path, change: old === undefined ? 'added' : next === undefined ? 'removed' : 'changed' }];
  });
}

/** By path, all that a package says of a file. */
function contentsOf({ entries }: ReleaseCode): Map<string, string> {
  return new Map(
    entries.map((entry) => {
      if (entry.type === 'directory') return [`${entry.path}/`, 'directory'];
      if (entry.type === 'link') return [entry.path, `link ${entry.target}`];
      const hash = createHash('sha256').update(entry.content).digest('hex');
      return [entry.path, `${entry.executable ? 'program' : 'file'} ${hash}`];
    }),
  );
}
