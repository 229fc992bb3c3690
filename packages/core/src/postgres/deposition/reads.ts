import type { Answer, ParsedQuery } from '../../api/index.ts';
import {
  type DepositionReader,
  type DepositionReads,
  type ReviewScope,
  sourceOfDeposition,
} from '../../deposition/depositions.ts';
import { parseExactJson } from '../../json/exact.ts';
import type { NodeIdentity } from '../../record/srn.ts';
import type { IdRange } from '../../store.ts';
import { arrayText } from '../array.ts';
import type { Database, Sql } from '../connection/connect.ts';
import { pagesOf } from '../cursor.ts';
import { utc } from '../wire.ts';
import { submissionsOf } from './submissions.ts';

type View = Answer<'showDeposition'>;

export function depositionReads({ sql }: Pick<Database, 'sql'>, node: NodeIdentity): DepositionReads {
  return {
    show: (id) => viewOf(sql, node, id),
    list: (whose, query) => list(sql, node, whose, query),
  };
}

function itemColumns(sql: Sql, { domain }: NodeIdentity) {
  return sql`d.id, ${`urn:osa:${domain}:dep:`} || d.id as srn, d.convention as convention_id, d.status, d.revision,
    jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as owner,
    ${utc(sql, sql`d.deleted_at`)} as deleted_at, ${utc(sql, sql`d.created_at`)} as created_at, ${utc(sql, sql`d.updated_at`)} as updated_at,
    case when d.status = 'accepted' then (
      select 'urn:osa:' || s.domain || ':rec:' || r.record_id || '@' || r.version
      from (select record_id from sources
            where convention = d.convention and source_id = ${sourceOfDeposition('')} || d.id offset 0) n
      cross join lateral (
        select record_id, version, record_set from records where record_id = n.record_id order by version limit 1) r
      cross join lateral (select domain from record_sets where id = r.record_set offset 0) s) end as record_srn`;
}

export async function viewOf(sql: Sql, node: NodeIdentity, id: string): Promise<View | undefined> {
  type Row = Omit<View, 'metadata' | 'submissions'> & { metadata: string };
  const [found] = await sql<Row[]>`
    select ${itemColumns(sql, node)}, d.metadata::text as metadata,
           coalesce((
             select jsonb_agg(jsonb_build_object('name', f.name, 'size', s.size, 'sha256', f.sha256) order by f.name)
             from deposition_files f
             cross join lateral (select size from files where sha256 = f.sha256 offset 0) s
             where f.deposition = d.id), '[]') as files
    from depositions d join actors a on a.id = d.owner where d.id = ${id}`;
  if (!found) return undefined;
  return {
    ...found,
    metadata: parseExactJson(found.metadata) as Record<string, unknown>,
    submissions: await submissionsOf(sql, id),
  };
}

/** The ids of a range that a reader may see, the newest first. One's own are few; they are found by their owner (see `list`). */
export function depositionIds(
  sql: Sql,
  { owner: { issuer, subject }, review }: DepositionReader,
  { first, last, limit }: IdRange,
) {
  const actor = sql`(select id from actors where issuer = ${issuer} and subject = ${subject})`;
  const inRange = sql`d.id between ${first} and ${last}`;
  return sql<Answer<'findIds'>['items']>`
    select id, convention as name, ${utc(sql, sql`created_at`)} as at from (
      (select d.id, d.convention, d.created_at from depositions d
       where d.owner between ${actor} and ${actor} and ${inRange} order by d.owner, d.id desc limit ${limit})
      union
      (select d.id, d.convention, d.created_at from depositions d
       where d.status in ('in_review', 'accepted') and ${ofConventions(sql, review)} and ${inRange}
       order by d.id desc limit ${limit})) found
    order by id desc limit ${limit}`;
}

const pages = pagesOf('listDepositions');

/**
 * With an equality the planner may read everybody's by id, when its statistics do not know the owner; only the index by owner
 * has the order of a range.
 */
async function list(
  sql: Sql,
  node: NodeIdentity,
  whose: Parameters<DepositionReads['list']>[0],
  { cursor, limit, status }: ParsedQuery<'listDepositions'>,
): Promise<Answer<'listDepositions'>> {
  const before = pages.after(cursor);
  const own = 'owner' in whose;
  const actor = own
    ? sql`(select id from actors where issuer = ${whose.owner.issuer} and subject = ${whose.owner.subject})`
    : sql``;
  const of = own
    ? sql`d.owner between ${actor} and ${actor}`
    : sql`d.status = 'in_review' and ${ofConventions(sql, whose.review)}`;
  const rows = await sql<Answer<'listDepositions'>['items']>`
    select ${itemColumns(sql, node)},
           (select count(*)::integer from deposition_files f where f.deposition = d.id) as file_count
    from depositions d join actors a on a.id = d.owner
    where ${of}
      and ${status === undefined ? sql`d.status <> 'deleted'` : sql`d.status = ${status}`}
      ${before ? sql`and d.id < ${String(before.id)}::text::uuid` : sql``}
    order by ${own ? sql`d.owner,` : sql``} d.id desc limit ${limit + 1}`;
  const { page: items, next_cursor } = pages.cut(rows, limit, ({ id }) => ({ s: null, id }));
  return { items, next_cursor };
}

function ofConventions(sql: Sql, scope: ReviewScope) {
  if (scope === 'all') return sql`true`;
  return sql`(
    d.convention = any (${arrayText(scope.names)}::text::text[])
    or exists (
      select from unnest(${arrayText(scope.prefixes)}::text::text[]) as p (prefix)
      where starts_with(d.convention, p.prefix)))`;
}
