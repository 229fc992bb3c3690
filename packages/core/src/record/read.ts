import type { Answer } from '../api.ts';
import { OsaError } from '../error.ts';
import { unknownHook } from '../hook/hook.ts';
import type { Page } from '../hook/registry.ts';
import type { Store } from '../store.ts';
import { compareVersions } from './schema.ts';

/**
 * Published records of a schema, named `id` (its highest version) or `id@version`. Without `history` only the
 * newest version of each record.
 *
 * @throws OsaError `not_found`, `invalid` (cursor)
 */
export async function readRecords(
  store: Store,
  schema: string,
  page: Page & { readonly history: boolean },
): Promise<Answer<'readRecords'>> {
  return store.dataset.records(await resolveSchema(store, schema), page);
}

/**
 * Rows of a feature over the published records of a schema. Without `history` only those of the newest version of
 * each record that no newer computation has replaced.
 *
 * @throws OsaError `not_found`, `invalid` (cursor)
 */
export async function readRows(
  store: Store,
  schema: string,
  hook: string,
  page: Page & { readonly history: boolean; readonly release: number | undefined },
): Promise<Answer<'readRows'>> {
  const rows = await store.dataset.rows(await resolveSchema(store, schema), hook, page);
  if (!rows) throw unknownHook(hook, 'feature');
  return rows;
}

async function resolveSchema(store: Store, text: string): Promise<{ id: string; version: string }> {
  const [id = '', wanted] = text.split('@', 2);
  const versions = await store.dataset.schemaVersions(id);
  const version = wanted ?? versions.sort(compareVersions).at(-1);
  if (version === undefined || !versions.includes(version)) {
    const known =
      versions.length > 0 ? `; its versions are ${versions.sort(compareVersions).join(', ')}` : '';
    throw new OsaError('not_found', `no schema ${text} is registered${known}`, { field: 'schema' });
  }
  return { id, version };
}
