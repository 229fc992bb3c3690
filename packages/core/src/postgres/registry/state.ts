import type postgres from 'postgres';
import type { RegistryState, StoredConvention, StoredHook } from '../../hook/registry.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';
import { declaredState } from './declared.ts';

/** Reads the state for a deploy within one transaction; nothing is locked. */
export function registryState(tx: Transaction): RegistryState {
  return {
    convention: (slug) => readConvention(tx, slug),
    hooks: (names) => readHooks(tx, names, 'free'),
    declared: (naming) => declaredState(tx, naming),
  };
}

async function readConvention(tx: Transaction, slug: string): Promise<StoredConvention | undefined> {
  type Row = Omit<StoredConvention, 'schema'> & { schema_id: string; schema_version: string };
  const [row] = await tx<Row[]>`
    select slug, title, description, license, schema_id, schema_version, file_requirements, curation, approve_own, docs, ingester,
           array(select hook from convention_hooks h where h.slug = c.slug order by position) as hooks
    from conventions c where slug = ${slug}`;
  if (!row) return undefined;
  const { schema_id: id, schema_version: version, ...rest } = row;
  return { ...rest, schema: { id, version } };
}

/** Locking is done in name order; claims (`for share`) wait for it, foreign-key checks do not. */
export function readHooks(
  tx: Transaction,
  names: readonly string[],
  lock: 'free' | 'locked',
): postgres.PendingQuery<StoredHook[]> {
  return tx<StoredHook[]>`
    select name, owner, feature, release_count as "releaseCount", live_seq as "liveSeq",
           live_version as "liveVersion", paused_at is not null as "isPaused", false as created
    from hooks where name = any (${arrayText(names)}::text::text[])
    order by name collate "C" ${lock === 'locked' ? tx`for no key update` : tx``}`;
}
