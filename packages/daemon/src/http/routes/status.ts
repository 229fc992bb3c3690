import { statfs } from 'node:fs/promises';
import type { Answer } from '@osa/core/api';
import { everything, requireScope } from '@osa/core/auth/scope';
import { readAudit } from '@osa/core/status/audit';
import { type DaemonFacts, readStatus } from '@osa/core/status/status';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

export interface StatusParts {
  readonly store: Store;
  readonly version: string;
  readonly domain: string;
  readonly dataDirectory: string;
  /** Looks at each part that the daemon needs. */
  readonly checks: () => Promise<Answer<'doctor'>['checks']>;
}

export function statusRoutes({
  store,
  version,
  domain,
  dataDirectory,
  checks,
}: StatusParts): Pick<Handlers, 'status' | 'audit' | 'doctor'> {
  const started_at = new Date().toISOString();
  const facts = async (): Promise<DaemonFacts> => ({
    ...{ version, domain, started_at },
    disk: await diskOf(dataDirectory),
  });
  return {
    status: ({ caller }) => readStatus(store, caller().principal, facts),
    audit: ({ caller, query }) => readAudit(store, caller().principal, query),
    async doctor({ caller }) {
      requireScope(caller().principal, 'runs:read', everything);
      const found = await checks();
      return { ok: found.every(({ ok }) => ok), checks: found };
    },
  };
}

/** The space of a disk that a process without root may still write. */
export async function diskOf(directory: string): Promise<DaemonFacts['disk']> {
  const { bsize, blocks, bavail } = await statfs(directory);
  return { total_bytes: blocks * bsize, free_bytes: bavail * bsize };
}
