import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import type { Page } from '../hook/registry.ts';
import type { Store } from '../store.ts';
import type { SchemaOfConvention } from './dataset.ts';
import { compareVersions } from './schema.ts';

/**
 * Published records of a schema, named `id` or `id@version`, of the convention that owns it or of `convention`. `id` alone
 * means the highest version that this convention has used. So other conventions change nothing that is read here. Without
 * `history` only the newest version of each record.
 *
 * @throws OsaError `not_found`, `invalid` (cursor)
 */
export async function readRecords(
  store: Store,
  schema: string,
  { convention, ...page }: DataPage,
): Promise<Answer<'readRecords'>> {
  return store.dataset.records(await resolveSchema(store, schema, convention), page);
}

type DataPage = Page & { readonly history: boolean; readonly convention?: string | undefined };

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
  { convention: asked, ...page }: DataPage & { readonly release?: number | undefined },
): Promise<Answer<'readRows'>> {
  const { id, version, convention } = await resolveSchema(store, schema, asked);
  const rows = await store.dataset.rows({ id, version, convention }, hook, page);
  if (rows) return rows;
  throw new OsaError(
    'not_found',
    `convention ${convention} with the schema ${id}@${version} has not named a hook ${hook}; ` +
      '`osa hooks list` shows each hook with its convention, and ?convention= reads that of another convention',
    { field: 'feature' },
  );
}

async function resolveSchema(
  store: Store,
  text: string,
  asked: string | undefined,
): Promise<SchemaOfConvention> {
  const [id = '', wanted] = text.split('@', 2);
  const found = await store.dataset.schemaVersions(id, asked);
  if (!found) throw new OsaError('not_found', `no schema ${id} is registered`, { field: 'schema' });
  const versions = found.versions.toSorted(compareVersions);
  const version = wanted ?? versions.at(-1);
  if (version !== undefined && versions.includes(version)) {
    return { id, version, convention: found.convention };
  }
  const known = versions.length > 0 ? `; it uses ${versions.join(', ')}` : '';
  throw new OsaError(
    'not_found',
    `the convention ${found.convention} has no records of a schema ${text}${known}; ?convention= reads those of another convention`,
    { field: versions.length > 0 ? 'schema' : 'convention' },
  );
}
