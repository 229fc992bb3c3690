import { release } from '@osa/core/hook/mint';
import { sha256 } from '@osa/core/hook/release';
import { postgresStore } from '@osa/core/postgres/store';
import { impact } from '@osa/core/trace/impact';
import { expect, test } from 'vitest';
import { coreArchive } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { boundedReads, stopAutovacuum } from '../support/database/table-reads.ts';

/** A release, and a question by digest, cost what they cost in a new archive beside 20,000 releases of the same hook. */

const known = 20_000;
const digest = (of: string) => `sha256:${sha256(of)}`;

test('releases are found by their digest', async () => {
  const bench = await coreArchive();
  try {
    const owner = bench.open('owner', { max: 1 });
    const app = bench.open('app', { max: 1 });
    const store = postgresStore(app, { domain: 'localhost' });
    await bench.deploy({ probe: { image: { image: 'example.org/probe', digest: digest('first') } } });
    await stopAutovacuum(owner);
    await owner.transaction(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`
        insert into releases (id, hook, version, runtime, image, digest, command, config, limits, fingerprint, source_ref, built_by)
        select gen_random_uuid(), hook, n, runtime, image, 'sha256:' || encode(sha256(n::text::bytea), 'hex'), command,
               config, limits, encode(sha256(n::text::bytea), 'hex'), source_ref, built_by
        from releases cross join generate_series(2, ${known}::integer) n`;
      await tx`update hooks set release_count = ${known}`;
    });
    const { measure, over } = boundedReads(app, {
      ...{ tables: ['releases'], entriesPerRecord: 40, wholeFrom: known },
    });
    for (const of of ['new', 'new', 'newer']) {
      const request = { digest: digest(of), source_ref: 'git+https://example.org/repo@2', live: true };
      await measure(`release ${of}`, 1, () => release(store, { principal: admin }, 'probe', request));
    }
    const impacted = await measure('impact of a digest', 1, () => impact(store, { digest: digest('new') }));
    expect(impacted.releases).toHaveLength(1);
    expect(over, JSON.stringify(over)).toEqual([]);
  } finally {
    await bench.dispose();
  }
});
