import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
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
  page: Page & { readonly history: boolean; readonly release?: number | undefined },
): Promise<Answer<'readRows'>> {
  const { id, version } = await resolveSchema(store, schema);
  const rows = await store.dataset.rows({ id, version }, hook, page);
  if (rows) return rows;
  throw new OsaError(
    'not_found',
    `no convention of the schema ${id}@${version} has named a hook ${hook}; \`osa hooks list\` shows each with its convention`,
    { field: 'feature' },
  );
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
