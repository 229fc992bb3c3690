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
  /** Whether it is a file that records may have. */
  readonly is_file: boolean;
}

/** Reads each blob and file that the database names, to its end. */
export async function blobFaults(tx: Transaction, store: BlobStore): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  let after = '';
  for (;;) {
    const page = await tx<Named[]>`
      select f.sha256, f.size, exists (select from stored_files s where s.sha256 = f.sha256) as is_file, (
        select string_agg(r.name, ', ') from (
          select hook || ' v' || version as name from releases where blob = f.sha256 order by hook, version limit 5) r) as releases
      from files f where f.sha256 > ${after} order by f.sha256 limit ${pageSize}`;
    for (const named of page) {
      faults.push(...(await faultsOf(named, store)));
      if (faults.length > mostFaults) return faults;
    }
    const last = page.at(-1);
    if (last === undefined) return faults;
    after = last.sha256;
  }
}

async function faultsOf({ sha256, size, releases, is_file }: Named, store: BlobStore): Promise<Fault[]> {
  const problem = await problemOf(sha256, Number(size), store);
  if (problem === undefined) return [];
  const kinds = [...(is_file ? ['file'] : []), ...(!is_file || releases !== null ? ['blob'] : [])];
  return kinds.map((of) => {
    const name = `sha256:${sha256}${releases === null || of === 'file' ? '' : ` (the code of ${releases})`}`;
    return { of, name, problem };
  });
}

/** The store compares the bytes with the digest while they are read. */
async function problemOf(sha256: string, size: number, store: BlobStore): Promise<string | undefined> {
  let length = 0;
  try {
    for await (const chunk of await store.open(sha256)) length += chunk.length;
  } catch (error) {
    const known = asOsaError(error);
    if (known?.code === 'not_found') return 'it is not in the store';
    return known?.message ?? `it cannot be read (${String(error)})`;
  }
  return length === size ? undefined : `it has ${length} bytes, and the database says ${size}`;
}
