import type { Answer, ParsedQuery } from '../../../api/index.ts';
import type { Page } from '../../../hook/registry.ts';
import type { Certificate, NamedRow } from '../../../recompute/replay/replays.ts';
import type { Sql } from '../../connection/connect.ts';
import { databaseError } from '../../connection/sqlstate.ts';
import type { Hole } from '../../connection/statement.ts';
import { pagesOf } from '../../cursor.ts';
import { utc } from '../../wire.ts';

/** How many rows of a record a certificate names. */
const namedRows = 10;

/** Certificates `x`, with what they are about. The rows' names are looked up where the hook is known. */
function views(sql: Sql, chosen: Hole) {
  return sql`
    select x.id::float8 as id, p.replay as replay_id, x.at, jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as by,
           x.run as run_id, r.hook as hook_name, r.version, s.srn as record_srn, x.verdict, x.reason, x.engine,
           x.architecture, x.resolved_digest, x.platform_digest, x.stored_digest, x.made_digest, x.columns, x.examples,
           x.outcome
    from (${chosen}) x
    cross join lateral (select replay from replay_parts where id = x.part offset 0) p
    cross join lateral (select actor from replays where id = p.replay offset 0) c
    cross join lateral (select issuer, subject from actors where id = c.actor offset 0) a
    cross join lateral (select hook, version from runs where id = x.run offset 0) r
    left join lateral (select batch_record from outcomes where id = x.outcome offset 0) o on true
    left join lateral (select srn from published where batch_record = o.batch_record offset 0) s on true`;
}

type Found = Omit<Certificate, 'rows'> & { readonly outcome: string | null };

const pages = pagesOf('listCertificates');

export async function certificates(
  sql: Sql,
  id: string,
  { cursor, limit, verdict }: ParsedQuery<'listCertificates'>,
): Promise<Answer<'listCertificates'> | undefined> {
  const [known] = await sql`select from replays where id = ${id}`;
  if (!known) return undefined;
  const after = pages.afterNumber(cursor) ?? 0;
  const wanted =
    verdict === undefined
      ? ['identical', 'differs', 'cannot']
      : verdict === 'not_identical'
        ? ['differs', 'cannot']
        : [verdict];
  const chosen = sql`
    select x.*
    from (select id from replay_parts where replay = ${id} offset 0) w
    cross join lateral (
      select * from replay_certificates
      where part = w.id and id > ${after} and verdict = any (${`{${wanted.join(',')}}`}::text::text[]) offset 0) x
    order by x.id limit ${limit + 1}`;
  const rows = await sql<Found[]>`${views(sql, chosen)} order by x.id`;
  const { page, next_cursor } = pages.cut(rows, limit, (row) => ({ s: null, id: row.id }));
  return { items: await withRows(sql, page), next_cursor };
}

const rowPages = pagesOf('listRowCertificates');

export async function certificatesOfRow(
  sql: Sql,
  { hook, id }: NamedRow,
  { cursor, limit }: Page,
): Promise<Answer<'listRowCertificates'> | undefined> {
  const [row] = await sql<{ outcome: string; ordinal: number }[]>`
    select o.id as outcome, f.ordinal
    from (select outcome_id, ordinal from ${sql(`features.${hook}`)} where id = ${id} offset 0) f
    cross join lateral (select id, batch_record from outcomes where id = f.outcome_id offset 0) o
    cross join lateral (select from records where batch_record = o.batch_record offset 0) r`.catch(noRows);
  if (!row) return undefined;
  const before = rowPages.afterNumber(cursor) ?? Number.MAX_SAFE_INTEGER;
  const chosen = sql`
    select * from replay_certificates where outcome = ${row.outcome} and id < ${before} order by id desc limit ${limit + 1}`;
  const rows = await sql<Found[]>`${views(sql, chosen)} order by x.id desc`;
  const { page, next_cursor } = rowPages.cut(rows, limit, (found) => ({ s: null, id: found.id }));
  return { items: await withRows(sql, page), next_cursor };
}

/** Names the rows, hook by hook, since each hook has a table of its own. */
async function withRows(sql: Sql, found: readonly Found[]): Promise<Certificate[]> {
  const names = new Map<string, string[]>();
  for (const [hook, own] of Map.groupBy(found, ({ hook_name }) => hook_name)) {
    // A row that was replayed several times has several certificates of one outcome.
    const outcomes = new Set(own.flatMap(({ outcome }) => (outcome === null ? [] : [outcome])));
    const rows = await sql<{ outcome: string; id: string }[]>`
      select f.outcome_id as outcome, f.id
      from unnest(${`{${[...outcomes].join(',')}}`}::text::bigint[]) as w (outcome)
      cross join lateral (
        select outcome_id, id from ${sql(`features.${hook}`)} where outcome_id = w.outcome
        order by ordinal limit ${namedRows}) f`;
    for (const { outcome, id } of rows) names.set(outcome, [...(names.get(outcome) ?? []), `${hook}/${id}`]);
  }
  return found.map(({ outcome, ...certificate }) => ({
    ...certificate,
    rows: (outcome === null ? undefined : names.get(outcome)) ?? [],
  }));
}

/** A hook without a feature table is a hook that does not exist, since both are made together. */
function noRows(error: unknown): [] {
  if (databaseError(error)?.code === '42P01') return [];
  throw error;
}

/**
 * How often a row was replayed, and the last time: of result `outcome` and place `ordinal`. A row is identical where only
 * others of its record differ.
 */
export function rowReplays(sql: Sql, outcome: Hole, ordinal: Hole): Hole {
  const own = sql`
    case when x.verdict = 'differs' and x.differing is not null and ${ordinal} <> all (x.differing)
      then 'identical' else x.verdict end`;
  return sql`(
    select jsonb_build_object(
      'identical', count(*) filter (where x.own = 'identical'), 'differs', count(*) filter (where x.own = 'differs'),
      'cannot', count(*) filter (where x.own = 'cannot'),
      'last', (array_agg(x.last order by x.id desc))[1])
    from (
      select x.id, ${own} as own, jsonb_build_object(
        'replay_id', p.replay, 'at', ${utc(sql, sql`x.at`)},
        'by', jsonb_build_object('issuer', a.issuer, 'subject', a.subject), 'verdict', ${own}, 'reason', x.reason,
        'columns', case when ${own} = 'differs' then to_jsonb(x.columns) else '[]' end, 'engine', x.engine,
        'architecture', x.architecture, 'platform_digest', x.platform_digest) as last
      from (select * from replay_certificates where outcome = ${outcome} offset 0) x
      cross join lateral (select replay from replay_parts where id = x.part offset 0) p
      cross join lateral (select actor from replays where id = p.replay offset 0) c
      cross join lateral (select issuer, subject from actors where id = c.actor offset 0) a) x)`;
}

/** The same of the outputs of a run that was replayed as a whole. */
export function runReplays(sql: Sql, run: Hole): Hole {
  return sql`(
    select jsonb_build_object(
      'identical', count(*) filter (where verdict = 'identical'), 'differs', count(*) filter (where verdict = 'differs'),
      'cannot', count(*) filter (where verdict = 'cannot'))
    from replay_certificates where run = ${run} and outcome is null)`;
}
