import type { Answer, ParsedQuery } from '../../../api/index.ts';
import type { Chosen, ReleaseName } from '../../../trace/impacts.ts';
import type { Recall, RecallSummary } from '../../../trace/recall/recalls.ts';
import type { Sql } from '../../connection/connect.ts';
import { pagesOf } from '../../cursor.ts';
import type { Fragment } from '../../data/visible.ts';
import { isShown } from '../../deposition/private.ts';
import { utc } from '../../wire.ts';
import { made } from '../impact.ts';

/** Outcomes of a platform that are counted, and recomputes that are named. */
const [mostOutcomes, mostRecomputes] = [100_000, 100];

/**
 * Selects a view of each of `recalls c`. Everything is found by key, except the outcomes of runs on a recalled
 * platform.
 */
function views(sql: Sql): Fragment {
  return sql`
    select c.id, c.fact, c.asked, (select count(*)::float8 from recall_commits where recall = c.id) as commits, c.reason, c.advice,
           jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as opened_by, c.opened_at,
           (select jsonb_build_object('by', jsonb_build_object('issuer', who.issuer, 'subject', who.subject),
                                      'at', ${utc(sql, sql`e.at`)}, 'reason', e.reason)
            from recall_closings e join actors who on who.id = e.actor where e.recall = c.id) as closed,
           (select count(*)::float8 from recall_releases where recall = c.id) as release_count,
           jsonb_build_object('records', kept.records + ran.records + of_record.records,
                              'rows', kept.rows + ran.rows + of_record.rows,
                              'is_exact', ran.records < ${mostOutcomes}) as current,
           array(select id from recomputes where recall = c.id order by id limit ${mostRecomputes}) as recomputes
    from recalls c
    join actors a on a.id = c.actor
    cross join lateral (${currentOfReleases(sql)}) kept
    cross join lateral (${currentOfPlatform(sql)}) ran
    cross join lateral (${currentOfRecord(sql)}) of_record`;
}

/** From the counts that are kept. */
function currentOfReleases(sql: Sql): Fragment {
  return sql`
    select coalesce(sum(n.records - n.rejected), 0)::float8 as records, coalesce(sum(n.rows), 0)::float8 as rows
    from (select hook, version from recall_releases where recall = c.id offset 0) t
    cross join lateral (
      select records, rejected, rows from current_counts where hook = t.hook and version = t.version offset 0) n`;
}

/** Counts current rows of runs on the platform whose release is not recalled itself. */
function currentOfPlatform(sql: Sql): Fragment {
  return sql`
    select count(*)::float8 as records, coalesce(sum(row_count), 0)::float8 as rows
    from (
      select o.row_count
      from (select distinct run from attempts where platform_digest = c.digest) t
      cross join lateral (select id, hook, version from runs where id = t.run offset 0) run
      cross join lateral (
        select batch_record, row_count from outcomes
        where run = run.id and status = 'passed' and superseded_by is null offset 0) o
      cross join lateral (select record_id, version from records where batch_record = o.batch_record offset 0) r
      where not exists (select from recall_releases k where k.recall = c.id and k.hook = run.hook and k.version = run.version)
        and not exists (select from records n where n.record_id = r.record_id and n.version = r.version + 1)
      limit ${mostOutcomes}) o`;
}

function currentOfRecord(sql: Sql): Fragment {
  return sql`
    select count(*)::float8 as records, coalesce(sum(o.row_count), 0)::float8 as rows
    from (select batch_record from recall_records where recall = c.id offset 0) t
    cross join lateral (select record_id, version from records where batch_record = t.batch_record offset 0) r
    cross join lateral (
      select row_count from outcomes
      where batch_record = t.batch_record and status = 'passed' and superseded_by is null offset 0) o
    where not exists (select from records n where n.record_id = r.record_id and n.version = r.version + 1)`;
}

export async function recallView(sql: Sql, id: string): Promise<Recall | undefined> {
  const [found] = await sql<RecallSummary[]>`${views(sql)} where c.id = ${id}`;
  const chosen = found && (await chosenBy(sql, id));
  return chosen && { ...found, ...(await made(sql, chosen)) };
}

/** The present selection of a recall: releases that were made later may have joined it. */
export async function chosenBy(sql: Sql, id: string): Promise<Chosen | undefined> {
  type Row = Pick<Chosen, 'platform' | 'record'> & { readonly releases: readonly ReleaseName[] };
  const [found] = await sql<Row[]>`
    select c.digest as platform,
           (select batch_record::text from recall_records where recall = c.id) as record,
           coalesce((select jsonb_agg(jsonb_build_object('hook', hook, 'version', version) order by hook, version)
                     from recall_releases where recall = c.id), '[]') as releases
    from recalls c where c.id = ${id}`;
  return found;
}

const pages = pagesOf('listRecalls');

export async function listRecalls(
  sql: Sql,
  { cursor, limit, status, hook, convention }: ParsedQuery<'listRecalls'>,
): Promise<Answer<'listRecalls'>> {
  const before = pages.after(cursor);
  const rows = await sql<RecallSummary[]>`
    ${views(sql)}
    where true ${before ? sql`and c.id < ${String(before.id)}::uuid` : sql``}
      ${status === undefined ? sql`` : sql`and exists (select from recall_closings e where e.recall = c.id) = ${status === 'closed'}`}
      ${convention === undefined ? sql`` : sql`and ${isOfConvention(sql, convention)}`}
      ${hook === undefined ? sql`` : sql`and c.id in (select recall from recall_releases where hook = ${hook})`}
    order by c.id desc limit ${limit + 1}`;
  const { page, next_cursor } = pages.cut(rows, limit, ({ id }) => ({ s: null, id }));
  return { items: page, next_cursor };
}

/** Whether current rows of `recalls c`, or its record, are of a convention. */
function isOfConvention(sql: Sql, convention: string): Fragment {
  return sql`(
    exists (
      select from (select hook, version from recall_releases where recall = c.id offset 0) t
      cross join lateral (
        select record_set, rows from current_counts where hook = t.hook and version = t.version offset 0) n
      cross join lateral (select convention from record_sets where id = n.record_set offset 0) s
      where n.rows > 0 and s.convention = ${convention})
    or exists (
      select from (select batch_record from recall_records where recall = c.id offset 0) t
      cross join lateral (select convention from published where batch_record = t.batch_record offset 0) p
      where p.convention = ${convention})
    or exists (
      select from (select distinct run from attempts where platform_digest = c.digest) a
      cross join lateral (select batch from runs where id = a.run and ${isShown(sql, sql`runs.batch`)} offset 0) r
      cross join lateral (select convention from batches where id = r.batch offset 0) b
      where b.convention = ${convention}))`;
}

/** The open recalls of which something is current, the oldest first. */
export async function affectedRecalls(sql: Sql, most: number): Promise<RecallSummary[]> {
  return sql<RecallSummary[]>`
    select * from (${views(sql)} where not exists (select from recall_closings e where e.recall = c.id)) r
    where (current ->> 'rows')::float8 > 0 order by id limit ${most}`;
}
