import type { Database } from '@osa/core/postgres/connection/connect';

/** The stored state of the conventions `…-<world>`, the hooks `…_<world>` and the schema `world-<world>`. */
export interface Seen {
  /** By version. */
  readonly schemas: Readonly<Record<string, unknown>>;
  /** By slug; each with the parts that a deploy may change. */
  readonly conventions: Readonly<
    Record<string, Readonly<Record<string, unknown>> & { readonly hooks: string[] }>
  >;
  readonly hooks: Readonly<
    Record<
      string,
      {
        readonly owner: string;
        readonly feature: unknown;
        readonly release_count: number;
        readonly live_seq: number;
        readonly live_version: number;
      }
    >
  >;
  /** Feature tables, as the catalog has them. */
  readonly tables: readonly string[];
  readonly deploys: number;
}

export async function observe({ sql }: Database, world: number): Promise<Seen> {
  const [row] = await sql<{ seen: Seen }[]>`
    select jsonb_build_object(
      'schemas', (select coalesce(jsonb_object_agg(version, fields), '{}') from schemas where id = ${`world-${world}`}),
      'conventions', (
        select coalesce(jsonb_object_agg(slug, jsonb_build_object(
          'title', title, 'description', description, 'schema', schema_id || '@' || schema_version,
          'file_requirements', file_requirements, 'docs', docs, 'ingester', ingester,
          'hooks', array(select hook from convention_hooks h where h.slug = c.slug order by position))), '{}')
        from conventions c where slug ~ ${`-${world}$`}),
      'hooks', (
        select coalesce(jsonb_object_agg(name, jsonb_build_object(
          'owner', owner, 'feature', feature, 'live_seq', live_seq, 'live_version', live_version,
          'release_count', (select count(*) from releases r where r.hook = h.name))), '{}')
        from hooks h where name ~ ${`_${world}$`}),
      'tables', array(
        select relname::text from pg_catalog.pg_class
        where relkind = 'r' and relnamespace = 'features'::regnamespace and relname ~ ${`_${world}$`} order by 1),
      'deploys', (select count(*) from deploys where slug ~ ${`-${world}$`})) as seen`;
  if (!row) throw new Error('nothing was read');
  return row.seen;
}
