import type { Answer } from '../../api/index.ts';
import type { Sql } from '../connection/connect.ts';
import { utc } from '../wire.ts';

type Submission = Answer<'showDeposition'>['submissions'][number];
type Reason = Submission['reasons'][number];

/** The newest submissions that are shown. */
const shown = 20;

interface Row extends Omit<Submission, 'status' | 'reasons'> {
  readonly batch_status: string;
  readonly record_status: string;
  readonly record_reason: string | null;
  readonly cancelled: boolean;
  readonly fields: readonly string[];
  readonly outcomes: readonly Omit<Reason, 'field'>[];
}

/** Each submission of a deposition with its end, the newest first. */
export async function submissionsOf(sql: Sql, deposition: string): Promise<Submission[]> {
  const rows = await sql<Row[]>`
    select i.id as ingestion, ${utc(sql, sql`i.sealed_at`)} as submitted_at, ${utc(sql, sql`b.finished_at`)} as finished_at,
           i.cancelled, b.status as batch_status, r.status as record_status, r.reason as record_reason,
           case when b.finished_at is null then b.reason end as waits,
           (select array_agg(f ->> 'name') from schemas s, jsonb_array_elements(s.fields) f
            where s.id = i.schema_id and s.version = i.schema_version) as fields,
           coalesce((
             select jsonb_agg(jsonb_build_object('id', run.id, 'hook', run.hook, 'version', run.version,
                                                 'outcome', o.status) order by run.hook)
             from (select id, hook, version from runs where batch = b.id offset 0) run
             left join lateral (select status from outcomes where run = run.id limit 1) o on true), '[]') as runs,
           coalesce((
             select jsonb_agg(jsonb_build_object('hook', o.hook, 'version', run.version, 'status', o.status,
                                                 'reason', o.reason) order by o.id)
             from (select * from outcomes where batch_record = r.id and status <> 'passed' offset 0) o
             cross join lateral (select version from runs where id = o.run offset 0) run), '[]') as outcomes,
           (select jsonb_build_object('decision', v.decision, 'reason', v.reason, 'at', ${utc(sql, sql`v.at`)},
                     'actor', jsonb_build_object('issuer', a.issuer, 'subject', a.subject))
            from reviews v join actors a on a.id = v.actor where v.batch = b.id) as review,
           (select jsonb_build_object('reason', e.reason, 'at', ${utc(sql, sql`e.at`)},
                     'actor', jsonb_build_object('issuer', a.issuer, 'subject', a.subject))
            from deposition_ends e join actors a on a.id = e.actor where e.ingestion = i.id) as ended
    from (select * from ingestions where deposition = ${deposition} order by id desc limit ${shown}) i
    cross join lateral (select * from batches where ingestion = i.id order by index desc limit 1) b
    cross join lateral (select id, status, reason from batch_records where batch = b.id limit 1) r
    order by i.id desc`;
  return rows.map(
    ({ batch_status, record_status, record_reason, cancelled, fields, outcomes, ...submission }) => ({
      ...submission,
      status: submission.ended ? 'ended' : stateOf(batch_status, record_status, cancelled),
      reasons: reasonsOf({ record_status, record_reason, cancelled, fields, outcomes }),
    }),
  );
}

/** How the record of an ingestion was deposited, where it was. It is published, so its history is everybody's. */
export async function depositionOf(
  sql: Sql,
  ingestion: string,
): Promise<Answer<'traceRecord'>['deposition']> {
  const [found] = await sql<Omit<NonNullable<Answer<'traceRecord'>['deposition']>, 'submissions'>[]>`
    select d.id, jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as depositor,
           ${utc(sql, sql`d.created_at`)} as created_at
    from (select deposition from ingestions where id = ${ingestion} offset 0) i
    cross join lateral (select * from depositions where id = i.deposition offset 0) d
    cross join lateral (select * from actors where id = d.owner offset 0) a`;
  if (!found) return null;
  const submissions = (await submissionsOf(sql, found.id)).map(
    ({ waits: _waits, reasons: _reasons, review, ended, ...submission }) => ({
      ...submission,
      ended: ended && { actor: ended.actor, at: ended.at },
      review: review && { decision: review.decision, actor: review.actor, at: review.at },
    }),
  );
  return { ...found, submissions };
}

function stateOf(batch: string, record: string, cancelled: boolean): Submission['status'] {
  if (batch === 'held') return 'in_review';
  if (batch !== 'done' && batch !== 'failed') return 'in_validation';
  if (cancelled) return 'withdrawn';
  return record === 'published' ? 'accepted' : record === 'rejected' ? 'rejected' : 'errored';
}

/** Each hook's own words; where no hook has spoken, what ended the batch. */
function reasonsOf({
  record_status,
  record_reason,
  cancelled,
  fields,
  outcomes,
}: Pick<Row, 'record_status' | 'record_reason' | 'cancelled' | 'fields' | 'outcomes'>): Reason[] {
  if (cancelled) return [];
  const said = outcomes.map((outcome) => ({ ...outcome, field: fieldOf(outcome.reason, fields) }));
  if (said.length > 0 || record_reason === null) return said;
  const status = record_status === 'rejected' ? 'rejected' : 'errored';
  const reason = record_reason.replace(/^review: /, '');
  return [{ hook: null, version: null, field: fieldOf(reason, fields), status, reason }];
}

/** The field that a reason is about: `<field>: …`, also with a place in it, such as `<field>[2]: …`. */
function fieldOf(reason: string, fields: readonly string[]): string | null {
  const [, name] = /^([a-z][a-z0-9_]*)(?:\[\d+\])?:\s/.exec(reason) ?? [];
  return name !== undefined && fields.includes(name) ? name : null;
}
