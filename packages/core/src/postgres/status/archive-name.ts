import { OsaError } from '../../error.ts';
import { sha256 } from '../../hook/release.ts';
import type { Database } from '../connection/connect.ts';

/**
 * The domain, and when the database was first migrated, as a digest: two archives may have one domain, as all of
 * `osad --dev` do. A restored backup keeps the name.
 */
export async function archiveName(
  { sql }: Pick<Database, 'sql'>,
  { domain }: { readonly domain: string },
): Promise<string> {
  const [row] = await sql<{ at: string | null }[]>`
    select extract(epoch from min(applied_at))::text as at from public.schema_migrations`;
  if (row?.at) return `${domain}#${sha256(row.at).slice(0, 12)}`;
  throw new OsaError('conflict', 'the database is not migrated; run osad migrate');
}
