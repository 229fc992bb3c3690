// Writes the whole schema of a freshly migrated database, so that a review shows the real effect of a migration.
// Run it after a change of a migration: `node scripts/dump-schema.ts`. A test fails when the committed file differs,
// on each PostgreSQL.
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { startEmbedded } from '@osa/core/postgres/embedded/embedded';
import { migrate } from '@osa/core/postgres/migrate';

export const schemaFile = fileURLToPath(
  new URL('../packages/core/src/postgres/migrations/schema.txt', import.meta.url),
);

/**
 * The schema as text, from the catalog: the same on each PostgreSQL that osa supports, with any names of roles.
 * It includes the feature table and view of a hook with a column of each type, made and rolled back here.
 */
export async function dumpSchema(owner: Database, appRole: string): Promise<string> {
  const end = new Error('the dump is made');
  let text = '';
  const dumping = owner.transaction(async (tx) => {
    await tx.unsafe(
      `set local search_path = pg_catalog; set local quote_all_identifiers = off; ${sampleHook}`,
    );
    await tx`select set_config('osa.app_role', ${appRole}, true)`;
    const parts = await Promise.all(
      [database, schemas, relations, functions, defaults].map((query) =>
        tx.unsafe<{ text: string }[]>(query),
      ),
    );
    text = `${parts.flatMap((rows) => rows.map((row) => row.text)).join('\n\n')}\n`;
    throw end;
  });
  await dumping.catch((error: unknown) => {
    if (error !== end) throw error;
  });
  return text;
}

const sampleHook = `
  insert into public.actors (issuer, subject, uuid) values ('', '', gen_random_uuid());
  insert into public.conventions (slug, title, description, schema_id, schema_version, file_requirements)
  values ('example', '', '', '', '', '{}');
  insert into public.hooks (name, owner, feature) values ('example', 'example', '{"cardinality": "one", "columns": [
    {"name": "real", "json_type": "number", "required": true},
    {"name": "whole", "json_type": "integer", "required": false},
    {"name": "flag", "json_type": "boolean", "required": false},
    {"name": "words", "json_type": "string", "required": false},
    {"name": "moment", "json_type": "string", "format": "date-time", "required": false},
    {"name": "day", "json_type": "string", "format": "date", "required": false},
    {"name": "key", "json_type": "string", "format": "uuid", "required": false},
    {"name": "list", "json_type": "array", "required": false},
    {"name": "tree", "json_type": "object", "required": false}]}');
  select public.create_feature_table('example')`;

const namespaces = "('public', 'features', 'current', 'records')";

/** Lines such as `grant select to app` for an access list; the owner's own rights are left out. */
const grants = (list: string, owner: string) => `
  (select coalesce(string_agg(line, '' order by line), '') from (
     select format(e'\\n  grant %s to %s', string_agg(lower(privilege_type), ', ' order by privilege_type),
              case when grantee = 0 then 'everybody' when r.rolname = current_setting('osa.app_role') then 'the app role'
                   else r.rolname end || case when is_grantable then ' with grant option' else '' end) as line
     from aclexplode(${list}) left join pg_roles r on r.oid = grantee
     where grantee <> ${owner} group by grantee, rolname, is_grantable) granted)`;

const database = `
  select 'database' || ${grants("coalesce(datacl, acldefault('d', datdba))", 'datdba')} as text
  from pg_database where datname = current_database()`;

const schemas = `
  select 'schema ' || nspname || ${grants("coalesce(nspacl, acldefault('n', nspowner))", 'nspowner')} as text
  from pg_namespace where nspname in ${namespaces} order by nspname`;

const columns = `
  (select string_agg(format(e'\\n  %s %s%s%s%s', attname, format_type(atttypid, atttypmod),
       case when attcollation <> typcollation then ' collate ' || quote_ident(collname) else '' end,
       case when attnotnull then ' not null' else '' end,
       case when attidentity = 'a' then ' generated always as identity'
            when attgenerated = 's' then ' generated always as (' || pg_get_expr(adbin, adrelid) || ') stored'
            else coalesce(' default ' || pg_get_expr(adbin, adrelid), '') end), '' order by attnum)
   from pg_attribute
   join pg_type on pg_type.oid = atttypid
   left join pg_collation on pg_collation.oid = attcollation
   left join pg_attrdef on adrelid = attrelid and adnum = attnum
   where attrelid = c.oid and attnum > 0 and not attisdropped)`;

// Since PostgreSQL 18 a column's "not null" is also a named constraint; the column already shows it.
const constraints = `
  (select string_agg(format(e'\\n  constraint %s %s', conname, pg_get_constraintdef(oid)), '' order by conname)
   from pg_constraint where conrelid = c.oid and contype in ('p', 'u', 'f', 'c', 'x'))`;

const indexes = `
  (select string_agg(e'\\n  ' || pg_get_indexdef(indexrelid), '' order by indexrelid::regclass::text)
   from pg_index where indrelid = c.oid and not exists (select from pg_constraint where conindid = indexrelid and contype <> 'f'))`;

const triggers = `
  (select string_agg(e'\\n  ' || pg_get_triggerdef(oid) || case tgenabled when 'O' then '' else ' -- enabled: ' || tgenabled::text end,
     '' order by tgname)
   from pg_trigger where tgrelid = c.oid and not tgisinternal)`;

const columnGrants = `
  (select string_agg(format(e'\\n  grant %s (%s) to %s', lower(privilege_type), columns,
     case when grantee = 0 then 'everybody' when r.rolname = current_setting('osa.app_role') then 'the app role' else r.rolname end),
     '' order by privilege_type, grantee)
   from (select grantee, privilege_type, string_agg(attname, ', ' order by attnum) as columns
         from pg_attribute, aclexplode(attacl) where attrelid = c.oid and not attisdropped
         group by grantee, privilege_type) given
   left join pg_roles r on r.oid = grantee)`;

const relations = `
  select case relkind when 'r' then 'table ' when 'v' then 'view ' when 'S' then 'sequence ' else relkind::text || ' ' end
    || nspname || '.' || relname || case when relrowsecurity then ' with row level security' else '' end
    || coalesce(case when relkind <> 'S' then ${columns} end, '') || coalesce(${constraints}, '') || coalesce(${indexes}, '')
    || coalesce(${triggers}, '') || coalesce(case relkind when 'v' then e'\\n' || pg_get_viewdef(c.oid) end, '')
    || ${grants("coalesce(relacl, acldefault(case relkind when 'S' then 's'::\"char\" else 'r'::\"char\" end, relowner))", 'relowner')}
    || coalesce(${columnGrants}, '') as text
  from pg_class c join pg_namespace n on n.oid = relnamespace
  where nspname in ${namespaces} and relkind not in ('i', 'I', 'c') order by nspname, relname`;

const functions = `
  select pg_get_functiondef(p.oid) || ${grants("coalesce(proacl, acldefault('f', proowner))", 'proowner')} as text
  from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname in ${namespaces} order by proname, p.oid::regprocedure::text`;

const defaults = `
  select format('default for %s in schema %s', case defaclobjtype when 'r' then 'tables and views' else defaclobjtype::text end, nspname)
    || ${grants('defaclacl', 'defaclrole')} as text
  from pg_default_acl join pg_namespace n on n.oid = defaclnamespace where nspname in ${namespaces} order by nspname, defaclobjtype`;

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'osa-schema-'));
  const server = await startEmbedded({ directory });
  const owner = connect({ url: server.connection, max: 1, applicationName: 'dump-schema' });
  try {
    await migrate(owner, { appRole: 'osa_app' });
    writeFileSync(schemaFile, await dumpSchema(owner, 'osa_app'));
  } finally {
    await owner.close();
    await server.stop('immediate');
    await server.remove();
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) await main();
