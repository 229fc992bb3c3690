import { createHash } from 'node:crypto';
import { asOsaError } from '../../error.ts';
import type { BlobStore } from '../../storage/index.ts';
import type { Transaction } from '../connection/connect.ts';
import { type Fault, mostFaults } from './faults.ts';

const pageSize = 500;

interface Named {
  readonly sha256: string;
  readonly size: string;
  /** The releases whose code it is, by name; the first few. */
  readonly releases: string | null;
}

/** Reads each blob that the database names, to its end. */
export async function blobFaults(tx: Transaction, blobs: BlobStore): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  let after = '';
  for (;;) {
    const page = await tx<Named[]>`
      select f.sha256, f.size, (
        select string_agg(r.name, ', ') from (
          select hook || ' v' || version as name from releases where blob = f.sha256 order by hook, version limit 5) r) as releases
      from files f where f.sha256 > ${after} order by f.sha256 limit ${pageSize}`;
    for (const named of page) {
      const problem = await problemOf(named, blobs);
      if (problem !== undefined) faults.push({ of: 'blob', name: nameOf(named), problem });
      if (faults.length > mostFaults) return faults;
    }
    const last = page.at(-1);
    if (last === undefined) return faults;
    after = last.sha256;
  }
}

function nameOf({ sha256, releases }: Named): string {
  return `sha256:${sha256}${releases === null ? '' : ` (the code of ${releases})`}`;
}

async function problemOf({ sha256, size }: Named, blobs: BlobStore): Promise<string | undefined> {
  const hash = createHash('sha256');
  let length = 0;
  try {
    for await (const chunk of await blobs.open(sha256)) {
      hash.update(chunk);
      length += chunk.length;
    }
  } catch (error) {
    return asOsaError(error)?.code === 'not_found'
      ? 'it is not in the store'
      : `it cannot be read (${String(error)})`;
  }
  const found = hash.digest('hex');
  if (found !== sha256) return `its ${length} bytes in the store hash to sha256:${found}`;
  return length === Number(size) ? undefined : `it has ${length} bytes, and the database says ${size}`;
}
