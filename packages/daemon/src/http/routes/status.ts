import { statfs } from 'node:fs/promises';
import { type DaemonFacts, readStatus } from '@osa/core/status/status';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

export interface StatusParts {
  readonly store: Store;
  readonly version: string;
  readonly domain: string;
  readonly dataDirectory: string;
}

export function statusRoutes({
  store,
  version,
  domain,
  dataDirectory,
}: StatusParts): Pick<Handlers, 'status'> {
  const started_at = new Date().toISOString();
  const facts = async (): Promise<DaemonFacts> => ({
    ...{ version, domain, started_at },
    disk: await diskOf(dataDirectory),
  });
  return { status: ({ caller }) => readStatus(store, caller().principal, facts) };
}

/** What a process without root may still write. */
export async function diskOf(directory: string): Promise<DaemonFacts['disk']> {
  const { bsize, blocks, bavail } = await statfs(directory);
  return { total_bytes: blocks * bsize, free_bytes: bavail * bsize };
}
