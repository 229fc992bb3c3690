import type postgres from 'postgres';
import type {
  RegistryState,
  StoredConvention,
  StoredHook,
  StoredRelease,
  StoredSchema,
} from '../../hook/registry.ts';
import { arrayText } from '../array.ts';
import type { Sql, Transaction } from '../connection/connect.ts';

/** What a deploy looks at, within one transaction; nothing is locked. */
export function registryState(tx: Transaction): RegistryState {
  return {
    convention: (slug) => readConvention(tx, slug),
    async schemaOwner(id) {
      const [row] = await tx<{ owner: string }[]>`select owner from schema_owners where id = ${id}`;
      return row?.owner;
    },
    async schema(id, version) {
      const [row] = await tx<StoredSchema[]>`
        select fields, open_text as "openText" from schemas where id = ${id} and version = ${version}`;
      return row;
    },
    hooks: (names) => readHooks(tx, names, 'free'),
    async knownReleases(declared) {
      const rows = await tx<{ hook: string; version: number }[]>`
        select d.hook, r.version
        from unnest(${arrayText(declared.map(({ hook }) => hook))}::text::text[],
                    ${arrayText(declared.map(({ fingerprint }) => fingerprint))}::text::text[]) d (hook, fingerprint)
        cross join lateral (
          select version from releases where hook = d.hook and fingerprint = d.fingerprint offset 0) r`;
      return new Map(rows.map(({ hook, version }) => [hook, version]));
    },
    async onceLive(versions) {
      const rows = await tx<{ hook: string }[]>`
        select k.hook
        from unnest(${arrayText([...versions.keys()])}::text::text[],
                    ${arrayText([...versions.values()].map(String))}::text::integer[]) k (hook, version)
        where exists (select from live_changes where hook = k.hook and to_version = k.version offset 0)`;
      return new Set(rows.map(({ hook }) => hook));
    },
    async liveReleases(hooks) {
      const rows = await tx<(StoredRelease & { hook: string })[]>`
        select h.hook, r.*
        from unnest(${arrayText(hooks)}::text::text[]) h (hook)
        cross join lateral (select live_version from hooks where name = h.hook offset 0) live
        cross join lateral (
          select version, runtime, image, digest, command, config, limits, source_ref
          from releases where hook = h.hook and version = live.live_version offset 0) r`;
      return new Map(rows.map(({ hook, ...release }) => [hook, release]));
    },
    async storedBlobs(digests) {
      const rows = await tx<{ digest: string }[]>`
        select digest from unnest(${arrayText(digests)}::text::text[]) digest
        where exists (select from files where sha256 = replace(digest, 'sha256:', ''))`;
      return new Set(rows.map(({ digest }) => digest));
    },
  };
}

/** The convention, which is locked first where that is wanted. */
export async function readConvention(tx: Transaction, slug: string): Promise<StoredConvention | undefined> {
  type Row = Omit<StoredConvention, 'schema'> & { schema_id: string; schema_version: string };
  const [row] = await tx<Row[]>`
    select slug, title, description, license, schema_id, schema_version, file_requirements, docs, ingester,
           array(select hook from convention_hooks h where h.slug = c.slug order by position) as hooks
    from conventions c where slug = ${slug}`;
  if (!row) return undefined;
  const { schema_id: id, schema_version: version, ...rest } = row;
  return { ...rest, schema: { id, version } };
}

/** Locking is done in name order; claims (`for share`) wait for it, foreign-key checks do not. */
export async function readHooks(
  tx: Transaction,
  names: readonly string[],
  lock: 'free' | 'locked',
): Promise<StoredHook[]> {
  return tx<StoredHook[]>`
    select name, owner, feature, release_count as "releaseCount", live_seq as "liveSeq",
           live_version as "liveVersion", paused_at is not null as "isPaused", false as created
    from hooks where name = any (${arrayText(names)}::text::text[])
    order by name collate "C" ${lock === 'locked' ? tx`for no key update` : tx``}`;
}

/**
 * What a rollback of the hook `of` goes back to unless told otherwise: `from_version` of the latest release or activation
 * into the live version from an older one; null where there was none.
 */
export function rollbackTarget(sql: Sql, of: postgres.PendingQuery<postgres.Row[]>) {
  return sql`(
    select c.from_version from live_changes c
    where c.hook = ${of}.name and c.to_version = ${of}.live_version and c.kind in ('release', 'activate')
      and c.from_version < c.to_version
    order by c.seq desc limit 1)`;
}
