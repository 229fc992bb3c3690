import { v7 as uuid7 } from 'uuid';
import type { Answer } from '../../../api/index.ts';
import { OsaError } from '../../../error.ts';
import type { Page } from '../../../hook/registry.ts';
import type {
  Comparison,
  ComparisonReads,
  ComparisonWrites,
  Hold,
  NewComparison,
} from '../../../recompute/comparison/comparisons.ts';
import { arrayText } from '../../array.ts';
import type { Database, Sql, Transaction } from '../../connection/connect.ts';
import { pagesOf } from '../../cursor.ts';
import { waitingFor } from '../../lock-wait.ts';
import { batchesChannel } from '../../queue/lease.ts';
import { utc } from '../../wire.ts';
import { locate } from '../create.ts';

export function comparisonWrites(tx: Transaction, actor: number): ComparisonWrites {
  return {
    create: (comparison) => create(tx, actor, comparison),
    view: (id) => show(tx, id),
    cancel: (id, problem) => cancel(tx, id, problem),
    async hold({ deploy, hook, version, liveSeq, comparison, maxChanged }) {
      await tx`
        insert into deploy_holds (deploy, hook, version, live_seq, comparison, max_changed)
        values (${deploy}, ${hook}, ${version}, ${liveSeq}, ${comparison}, ${maxChanged})`;
    },
    holds: (deploy) => holds(tx, deploy),
    async activated({ deploy, hook, seq }) {
      await tx`update deploy_holds set activated_seq = ${seq} where deploy = ${deploy} and hook = ${hook}`;
    },
  };
}

export function comparisonReads({ sql }: Pick<Database, 'sql'>): ComparisonReads {
  return { show: (id) => show(sql, id), list: (hook, page) => list(sql, hook, page) };
}

async function holds(tx: Transaction, deploy: string): ReturnType<ComparisonWrites['holds']> {
  const [row] = await tx<{ slug: string; holds: Hold[] }[]>`
    select d.slug, ${holdsOf(tx)} as holds from deploys d where d.id = ${deploy}`;
  return row;
}

/** The holds of `deploys d`, as JSON. */
export function holdsOf(sql: Sql) {
  return sql`(
    select coalesce(jsonb_agg(to_jsonb(t) order by t.hook_name collate "C"), '[]') from (
      select h.hook as hook_name, h.version, h.live_seq,
             (select to_version from live_changes where hook = h.hook and seq = h.live_seq) as live_version,
             h.comparison as comparison_id, c.status, h.max_changed, (c.report -> 'records')::integer as records,
             (c.report -> 'changed_records')::integer as changed_records,
             (c.report -> 'changed_records')::numeric * 100 <= h.max_changed * (c.report -> 'records')::numeric as is_within,
             h.activated_seq
      from deploy_holds h join comparisons c on c.id = h.comparison where h.deploy = d.id) t)`;
}

/** The newest comparison that is done of `releases r`, as JSON. */
export function comparisonOf(sql: Sql) {
  return sql`(
    select jsonb_build_object('id', c.id, 'against', c.against, 'records', c.report -> 'records',
        'changed_records', c.report -> 'changed_records', 'is_tolerant', c.tolerances <> '{}', 'finished_at', ${utc(sql, sql`c.finished_at`)})
    from comparisons c where c.hook = r.hook and c.version = r.version and c.status = 'done'
    order by c.id desc limit 1)`;
}

async function create(tx: Transaction, actor: number, given: NewComparison): Promise<Comparison> {
  const id = uuid7();
  const { srns, tolerances, keys } = given;
  const list = srns === null ? null : await newestOf(tx, srns);
  await tx`
    insert into comparisons (id, hook, version, against, convention, seed, sample, list, tolerances, keys, reason, actor)
    values (${id}, ${given.hook}, ${given.version}, ${given.against}, ${given.convention}, ${given.seed}, ${given.sample},
            ${list === null ? null : arrayText(list)}::text::bigint[], ${tx.json(tolerances as never)}::jsonb,
            ${tx.json([...keys])}::jsonb, ${given.reason}, ${actor})`;
  await tx`select pg_notify(${batchesChannel}, '')`;
  const made = await show(tx, id);
  if (!made) throw new OsaError('internal', `comparison ${id} was stored and is not there`);
  return made;
}

/** The worker that holds it hears of it at once, and stops the code. */
async function cancel(tx: Transaction, id: string, problem: string): Promise<boolean> {
  const ended = await waitingFor(
    tx,
    `comparison ${id}, which is claimed or written`,
    () => tx`
      update comparisons
      set status = 'failed', problem = ${problem}, lease_until = null, finished_at = clock_timestamp()
      where id = ${id} and finished_at is null returning id`,
  );
  if (ended.length > 0) await tx`select pg_notify(${batchesChannel}, ${id})`;
  return ended.length > 0;
}

/** The batch records of the newest versions. */
async function newestOf(tx: Transaction, srns: readonly string[]): Promise<string[]> {
  const located = await locate(tx, srns);
  const rows = await tx<{ batch_record: string }[]>`
    select distinct r.batch_record
    from unnest(${arrayText(located.map((record) => record.convention))}::text::text[],
                ${arrayText(located.map((record) => record.sourceId))}::text::text[]) as l (convention, source_id)
    cross join lateral (
      select record_id from sources where convention = l.convention and source_id = l.source_id offset 0) s
    cross join lateral (
      select batch_record from records where record_id = s.record_id order by version desc limit 1) r`;
  return rows.map((row) => row.batch_record);
}

function views(sql: Sql) {
  return sql`
    select c.id, c.hook as hook_name, c.version, c.against, c.convention as convention_id, c.seed, c.sample,
           c.list is not null as is_list, c.tolerances, c.keys, c.reason, c.status, c.problem, c.report,
           jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as started_by,
           c.created_at as started_at, c.finished_at,
           (select jsonb_build_object('id', d.id, 'slug', d.slug)
            from deploy_holds h join deploys d on d.id = h.deploy where h.comparison = c.id) as deploy
    from comparisons c join actors a on a.id = c.actor`;
}

async function show(sql: Sql, id: string): Promise<Comparison | undefined> {
  const [row] = await sql<Comparison[]>`${views(sql)} where c.id = ${id}`;
  return row;
}

const pages = pagesOf('listComparisons');

async function list(sql: Sql, hook: string, { cursor, limit }: Page): Promise<Answer<'listComparisons'>> {
  const before = pages.after(cursor);
  const rows = await sql<Comparison[]>`
    ${views(sql)}
    where c.hook = ${hook} ${before ? sql`and c.id < ${String(before.id)}::uuid` : sql``}
    order by c.id desc limit ${limit + 1}`;
  const { page, next_cursor } = pages.cut(rows, limit, ({ id }) => ({ s: null, id }));
  return { items: page, next_cursor };
}
