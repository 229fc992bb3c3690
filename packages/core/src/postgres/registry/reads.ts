import type { Answer } from '../../api/index.ts';
import type { Page, RegistryReads } from '../../hook/registry.ts';
import { sha256 } from '../../hook/release.ts';
import { canonicalJson } from '../../json/canonical.ts';
import { bounds } from '../../limits.ts';
import type { Database, Sql } from '../connection/connect.ts';
import { pagesOf } from '../cursor.ts';
import { claimedBatches } from '../queue/claim-again.ts';
import { comparisonOf, holdsOf } from '../recompute/comparison/comparisons.ts';
import { currentRows } from '../row-counts.ts';
import { digest, utc } from '../wire.ts';
import { mintingBase } from './mint.ts';
import { pausedJson } from './pause.ts';
import { rollbackTarget } from './rollback-target.ts';

/** The registry's look-ups. Each is one statement, so that what it says holds together. */
export function registryReads(database: Database): RegistryReads {
  const { sql } = database;
  return {
    currentRows: (name) => currentRows(database, name),
    conventions: (page) => conventions(sql, page),
    convention: (slug) => convention(sql, slug),
    hooks: (page) => hooks(sql, page),
    hook: (name) => hook(sql, name),
    releases: (name, page) => releases(sql, name, page),
    release: (name, version) => release(sql, name, version),
    mintingBase: (hook, said) => mintingBase(sql, hook, said),
    history: (name, page) => history(sql, name, page),
    deploys: (page) => deploys(sql, page),
    deploy: (id) => deploy(sql, id),
    blobSize: async (sha256) => {
      const [row] = await sql<{ size: string }[]>`select size from files where sha256 = ${sha256}`;
      return row && Number(row.size);
    },
  };
}

const conventionPages = pagesOf('listConventions');

async function conventions(sql: Sql, { cursor, limit }: Page): Promise<Answer<'listConventions'>> {
  const before = conventionPages.after(cursor);
  const rows = await sql<Answer<'listConventions'>['items']>`
    select slug as id, title, description, jsonb_build_object('id', schema_id, 'version', schema_version) as schema_id,
           created_at
    from conventions
    where true ${before ? sql`and (created_at, slug) < (${String(before.s)}::text::timestamptz, ${String(before.id)})` : sql``}
    order by created_at desc, slug desc limit ${limit + 1}`;
  const { page: items, ...rest } = conventionPages.cut(rows, limit, (row) => ({
    s: row.created_at,
    id: row.id,
  }));
  return { items, ...rest };
}

async function convention(sql: Sql, slug: string): Promise<Answer<'showConvention'> | undefined> {
  const [row] = await sql<Answer<'showConvention'>[]>`
    select c.slug as id, c.title, c.description, c.license,
           jsonb_build_object('id', schema_id, 'version', schema_version) as schema_id, s.fields, s.open_text,
           file_requirements, curation, approve_own, ingester, docs, c.created_at,
           array(select hook from convention_hooks h where h.slug = c.slug order by position) as hooks
    from conventions c join schemas s on s.id = c.schema_id and s.version = c.schema_version
    where c.slug = ${slug}`;
  return row;
}

type HookItem = Answer<'listHooks'>['items'][number];

const hookPages = pagesOf('listHooks');

async function hooks(sql: Sql, { cursor, limit }: Page): Promise<Answer<'listHooks'>> {
  const after = hookPages.after(cursor);
  const rows = await sql<HookItem[]>`
    select h.name, h.owner, h.feature, h.release_count,
           case when r.version is not null then jsonb_build_object('version', r.version, 'digest', r.digest,
             'source_ref', r.source_ref, 'built_at', ${utc(sql, sql`r.built_at`)}) end as live_release,
           ${pausedJson(sql, sql`h`)} as paused
    from hooks h left join releases r on r.hook = h.name and r.version = h.live_version
    where true ${after ? sql`and h.name collate "C" > ${String(after.id)}` : sql``}
    order by h.name collate "C" limit ${limit + 1}`;
  const { page: items, ...rest } = hookPages.cut(rows, limit, ({ name }) => ({ s: null, id: name }));
  return { items, ...rest };
}

/** A release as it is read: `config` still with its content, which `releaseDetail` adds the digest to. */
type ReleaseRow = Omit<Answer<'showRelease'>, 'config_digest' | 'config' | 'live'> & {
  readonly config: NonNullable<Answer<'showRelease'>['config']>;
};

/** Columns of every reading of a release, from `releases r`, `actors a` and `hooks h`. */
export function releaseColumns(sql: Sql) {
  return sql`r.id, r.hook as hook_name, r.version, coalesce(r.version = h.live_version, false) as is_live, r.runtime,
    r.image, r.digest, r.command, r.config, r.limits, r.source_ref, ${furtherSources(sql)}, a.subject as built_by,
    (select e.claims from exchanges e where e.id = r.exchange) as built_in, ${comparisonOf(sql)} as comparison,
    ${utc(sql, sql`r.built_at`)} as built_at`;
}

/** Further sources of `releases r`, the newest first. */
function furtherSources(sql: Sql) {
  return sql`(
    select coalesce(jsonb_agg(jsonb_build_object('source_ref', s.source_ref, 'recorded_by', w.subject,
        'recorded_at', ${utc(sql, sql`s.at`)}) order by s.at desc), '[]')
    from (select * from release_sources where hook = r.hook and version = r.version
          order by at desc limit ${bounds.defaultPageRows}) s
    join actors w on w.id = s.actor) as further_sources`;
}

export function withConfigDigest<T extends { readonly config: unknown }>(
  row: T,
): T & { config_digest: string } {
  return { ...row, config_digest: `sha256:${sha256(canonicalJson(row.config))}` };
}

async function hook(sql: Sql, name: string): Promise<Answer<'showHook'> | undefined> {
  const [row] = await sql<
    (Omit<HookItem, 'live_release'> &
      Pick<Answer<'showHook'>, 'live_seq' | 'rollback_to' | 'claimed'> & { live: ReleaseRow | null })[]
  >`
    select h.name, h.owner, h.feature, h.release_count, h.live_seq, ${rollbackTarget(sql, sql`h`)} as rollback_to,
           ${pausedJson(sql, sql`h`)} as paused,
           (select coalesce(jsonb_agg(jsonb_build_object('version', version, 'batches', batches) order by version), '[]')
            from (select version, count(*) as batches from (${claimedBatches(sql, name)}) c group by version) v)
             as claimed,
           (select to_jsonb(live) from (select ${releaseColumns(sql)}) live where r.id is not null) as live
    from hooks h
    left join releases r on r.hook = h.name and r.version = h.live_version
    left join actors a on a.id = r.built_by
    where h.name = ${name}`;
  if (!row) return undefined;
  const live = row.live && withConfigDigest(row.live);
  const live_release = live && {
    version: live.version,
    digest: live.digest,
    source_ref: live.source_ref,
    built_at: live.built_at,
  };
  return { ...row, live, live_release };
}

/** Beyond every version and sequence number, which start at 1 and are integers of PostgreSQL. */
const last = bounds.releaseVersion;

const releasePages = pagesOf('listReleases');

async function releases(sql: Sql, name: string, page: Page): Promise<Answer<'listReleases'> | undefined> {
  const before = releasePages.afterNumber(page.cursor) ?? last;
  const [row] = await sql<{ live_version: number | null; releases: Answer<'listReleases'>['releases'] }[]>`
    select h.live_version, coalesce((
      select jsonb_agg(to_jsonb(list) order by version desc) from (
        select r.version, coalesce(r.version = h.live_version, false) as is_live, r.runtime, r.image,
               r.digest, r.source_ref, ${furtherSources(sql)}, a.subject as built_by, ${utc(sql, sql`r.built_at`)} as built_at,
               ${comparisonOf(sql)} as comparison
        from releases r join actors a on a.id = r.built_by
        where r.hook = h.name and r.version < ${before}
        order by r.version desc limit ${page.limit + 1}) list), '[]') as releases
    from hooks h where h.name = ${name}`;
  if (!row) return undefined;
  const { page: list, next_cursor } = releasePages.cut(row.releases, page.limit, ({ version }) => ({
    s: null,
    id: version,
  }));
  return { hook_name: name, live_version: row.live_version, releases: list, next_cursor };
}

async function release(sql: Sql, name: string, version: number): Promise<Answer<'showRelease'> | undefined> {
  const [row] = await sql<(ReleaseRow & { rows: number })[]>`
    select ${releaseColumns(sql)},
           (select coalesce(sum(row_count), 0)::float8 from runs where runs.hook = r.hook and runs.version = r.version)
             as rows
    from releases r join hooks h on h.name = r.hook join actors a on a.id = r.built_by
    where r.hook = ${name} and r.version = ${version}`;
  return row && { ...withConfigDigest(row), live: row.is_live };
}

const historyPages = pagesOf('history');

async function history(
  sql: Sql,
  name: string,
  page: Page & { readonly at?: string | undefined },
): Promise<Answer<'history'> | undefined> {
  const before = historyPages.afterNumber(page.cursor) ?? last;
  const [row] = await sql<{ changes: Answer<'history'>['changes'] }[]>`
    select coalesce((
      select jsonb_agg(to_jsonb(list) order by seq desc) from (
        select c.seq, c.from_version, c.to_version, c.kind, c.reason,
               jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as actor,
               ${utc(sql, sql`c.at`)} as at
        from live_changes c join actors a on a.id = c.actor
        where c.hook = h.name and c.seq < ${before}
          and (${page.at ?? null}::text is null or c.at <= ${page.at ?? null}::text::timestamptz)
        order by c.seq desc limit ${page.limit + 1}) list), '[]') as changes
    from hooks h where h.name = ${name}`;
  if (!row) return undefined;
  const { page: list, next_cursor } = historyPages.cut(row.changes, page.limit, ({ seq }) => ({
    s: null,
    id: seq,
  }));
  return { hook_name: name, changes: list, next_cursor };
}

type DeployItem = Answer<'listDeploys'>['items'][number];

/** Columns of every reading of a deploy, from `deploys d` and `actors a`. */
function deployColumns(sql: Sql) {
  return sql`d.id, d.slug, ${digest(sql, sql`d.manifest_digest`)} as manifest_digest, d.changed, d.changes, d.at,
    jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as actor,
    (select e.claims from exchanges e where e.id = d.exchange) as job, ${holdsOf(sql)} as holds,
    array(select distinct source_ref from (
        select h -> 'release' ->> 'source_ref' from jsonb_array_elements(d.manifest -> 'hooks') h
        union all select d.manifest #>> '{ingester,release,source_ref}'
        union all select d.manifest ->> 'source_ref') refs (source_ref)
      where source_ref is not null order by 1) as source_refs`;
}

const deployPages = pagesOf('listDeploys');

async function deploys(
  sql: Sql,
  { cursor, limit, convention }: Page & { readonly convention?: string | undefined },
): Promise<Answer<'listDeploys'>> {
  const before = deployPages.after(cursor);
  const rows = await sql<DeployItem[]>`
    select ${deployColumns(sql)}
    from deploys d join actors a on a.id = d.actor
    where true ${before ? sql`and d.id < ${String(before.id)}` : sql``}
      ${convention === undefined ? sql`` : sql`and d.slug = ${convention}`}
    order by d.id desc limit ${limit + 1}`;
  const { page, next_cursor } = deployPages.cut(rows, limit, (row) => ({ s: null, id: row.id }));
  return { items: page, next_cursor };
}

async function deploy(sql: Sql, id: string): Promise<Answer<'showDeploy'> | undefined> {
  const [row] = await sql<Answer<'showDeploy'>[]>`
    select ${deployColumns(sql)}, d.manifest
    from deploys d join actors a on a.id = d.actor where d.id = ${id}`;
  return row;
}
