import type { Answer } from '../api/index.ts';
import type { Database } from './connection/connect.ts';

/**
 * How many rows of a hook are current, by schema version and release: of the newest version of their record, and not
 * superseded. The counts are kept; no row is looked at. Undefined without such a hook.
 */
export async function currentRows(
  { sql }: Pick<Database, 'sql'>,
  hook: string,
): Promise<Answer<'currentRows'> | undefined> {
  const [known] = await sql<Answer<'currentRows'>[]>`
    select h.name as hook_name, coalesce((
      select jsonb_agg(jsonb_build_object('schema_id', jsonb_build_object('id', schema_id, 'version', schema_version),
                                          'version', version, 'rows', rows) order by version desc, schema_version desc)
      from (select s.schema_id, s.schema_version, n.version, sum(n.rows) as rows
            from current_counts n join record_sets s on s.id = n.record_set
            where n.hook = h.name group by s.schema_id, s.schema_version, n.version having sum(n.rows) > 0) c), '[]') as items
    from hooks h where h.name = ${hook}`;
  return known;
}
