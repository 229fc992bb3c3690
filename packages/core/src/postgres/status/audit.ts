import type { Answer, ParsedQuery } from '../../api/index.ts';
import type { Database } from '../connection/connect.ts';

type Item = Answer<'audit'>['items'][number];

/** The newest events that one request looks through. */
const mostSeen = 50_000;

/**
 * The trail of what people and machines did. Left out: ends of batches, which nobody did, and the acceptance of a request
 * whose effect is an event of its own.
 */
export async function audit(
  { sql }: Pick<Database, 'sql'>,
  { since, actor, hook, limit, before }: ParsedQuery<'audit'>,
  most = mostSeen,
): Promise<Answer<'audit'>> {
  const rows = await sql<(Item & { seen: number })[]>`
    with recent as materialized (
      select id, type, payload, at from events
      where ${before === undefined ? sql`true` : sql`id < ${before}`}
      order by id desc limit ${most}
    ), told as (
      select id, type, payload, at from recent
      where type not in ('batch.finished', 'request.accepted')
        ${since === undefined ? sql`` : sql`and at >= ${since}::text::timestamptz`}
        ${hook === undefined ? sql`` : sql`and payload ->> 'hook' = ${hook}`}
    )
    select t.id::float8 as id, t.at, t.type, who.actor,
           coalesce(t.payload ->> 'hook', t.payload ->> 'slug', t.payload ->> 'ingestion', t.payload ->> 'publisher', t.payload ->> 'recall',
                    t.payload ->> 'deposition',
                    t.payload ->> 'route') as about,
           t.payload ->> 'request_id' as request_id,
           t.payload - array['actor', 'request_id', 'batches'] as details,
           (select count(*)::integer from recent) as seen
    from told t
    left join lateral (
      select jsonb_build_object('issuer', issuer, 'subject', subject) as actor, subject
      from actors where id = (t.payload ->> 'actor')::bigint) who on true
    where ${actor === undefined ? sql`true` : sql`position(${actor}::text in who.subject) > 0`}
    order by t.id desc limit ${limit + 1}`;
  const items = rows.slice(0, limit).map(({ seen: _, ...item }) => item);
  const hasMore = rows.length > limit;
  return {
    items,
    next_before: hasMore ? (items.at(-1)?.id ?? null) : null,
    complete: hasMore || (rows[0]?.seen ?? 0) < most,
  };
}
