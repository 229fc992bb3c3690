import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import type { NodeIdentity } from '../../record/srn.ts';
import type { Claim, RunResult } from '../../run/queue.ts';
import { type RecordEnd, recordEnds } from '../../run/verdict.ts';
import { arrayText } from '../array.ts';
import { newestTime } from '../clock.ts';
import type { Database, Transaction } from '../connection/connect.ts';
import { isCommitUnknown } from '../connection/sqlstate.ts';
import { hold } from '../deposition/keep-for-review.ts';
import { supersede } from '../recompute/commit.ts';
import { insertRows } from './insert-rows.ts';
import { batchesChannel, leaseLost } from './lease.ts';
import { useIndexLookups } from './plans.ts';

/**
 * The final transaction of a batch, which publishes what came in, or supersedes what was computed before. Its first lock is that of the batch, by the statement that checks fence and lease by the
 * database's clock, so a stale worker writes nothing. When the answer to COMMIT is lost the batch is read.
 */
export async function finish(
  database: Database,
  node: NodeIdentity,
  claim: Claim,
  results: readonly RunResult[],
): Promise<void> {
  const ends = recordEnds(claim, results);
  await failpoint('write.before');
  if (waitsForReview(claim, ends)) return hold(database, claim, results);
  try {
    await database.transaction((tx) => write(tx, node, claim, { results, ends, from: 'running' }));
  } catch (error) {
    if (!isCommitUnknown(error)) throw error;
    await requireCommitted(database, claim, error);
  }
}

/** Whether a deposition that every hook has passed waits for a reviewer, as its convention wants. */
function waitsForReview({ deposition }: Claim, ends: readonly RecordEnd[]): boolean {
  return deposition?.curation === 'manual' && ends.every(({ status }) => status === 'published');
}

/** Ends a batch that is in review, by the same statements, within the transaction of the decision. */
export function finishHeld(
  tx: Transaction,
  node: NodeIdentity,
  claim: Claim,
  ending: Omit<Ending, 'from'>,
): Promise<void> {
  return write(tx, node, claim, { ...ending, from: 'held' });
}

interface Ending {
  readonly results: readonly RunResult[];
  readonly ends: readonly RecordEnd[];
  /** The state that the batch ends from: a worker holds it, or it is in review. */
  readonly from: 'running' | 'held';
}

async function write(
  tx: Transaction,
  node: NodeIdentity,
  claim: Claim,
  { results: given, ends, from }: Ending,
): Promise<void> {
  await useIndexLookups(tx);
  const isPrivate = claim.deposition !== null && !ends.some(({ status }) => status === 'published');
  // A deposition that comes back must leave nothing that others could read one day.
  const results = isPrivate ? given.map(withoutRows) : given;
  await endBatch(tx, claim, { results, ends, from });
  await failpoint('write.before-run-end');
  for (const result of results) {
    await endRun(tx, result, publishedCounts(claim, result, ends));
    await failpoint('write.after-run-end');
    const outcomes = await insertOutcomes(tx, claim, result);
    await insertRows(tx, result, outcomes);
  }
  const of = claim.recompute === null ? { ingestion: claim.ingestion } : { recompute: claim.recompute };
  const payload = { batch: claim.batch, ...of, ...countEnds(ends) };
  if (!isPrivate) {
    await tx`insert into events (type, payload) values ('batch.finished', ${tx.json(payload)}::jsonb)`;
  }
  if (claim.deposition !== null && !isPrivate) {
    const accepted = { deposition: claim.deposition.id, convention: claim.convention, batch: claim.batch };
    await tx`insert into events (type, payload) values ('deposition.accepted', ${tx.json(accepted)}::jsonb)`;
  }
  await tx`select pg_notify(${batchesChannel}, '')`;
  // Last, since those of one convention take turns from here to the commit.
  if (claim.recompute === null) {
    await endRecords(tx, ends);
    await publish(tx, node, claim, ends);
  } else {
    await supersede(tx, claim, ends);
    await failpoint('recompute.after-supersede');
  }
  await failpoint('write.before-commit');
}

function withoutRows(result: RunResult): RunResult {
  if (!result.output) return result;
  const { judgement } = result.output;
  const verdicts = new Map(
    [...judgement.verdicts].map(([id, verdict]) => [
      id,
      verdict.status === 'passed' ? { ...verdict, rowCount: 0 } : verdict,
    ]),
  );
  return { ...result, output: { ...result.output, judgement: { ...judgement, verdicts, rowCount: 0 } } };
}

function countEnds(ends: readonly RecordEnd[]) {
  const count = (status: RecordEnd['status']) => ends.filter((end) => end.status === status).length;
  return { published: count('published'), rejected: count('rejected'), errored: count('errored') };
}

async function endBatch(tx: Transaction, claim: Claim, { results, ends, from }: Ending): Promise<void> {
  const { published, rejected, errored } = countEnds(ends);
  const rows = results.reduce((sum, result) => sum + (result.output?.judgement.rowCount ?? 0), 0);
  const ended = tx`status = 'done', lease_until = null, finished_at = clock_timestamp(), reason = null, published = ${published},
        rejected = ${rejected}, errored = ${errored}, rows = ${rows}`;
  if (from === 'held') {
    const reviewed = await tx`
      update batches set ${ended}
      where id = ${claim.batch} and fence = ${claim.fence} and status = 'held' returning id`;
    if (reviewed.length === 0)
      throw new OsaError('conflict', `batch ${claim.batch} is not in review any more`);
    return;
  }
  const held = await tx`
    update batches set ${ended}
    where id = ${claim.batch} and fence = ${claim.fence} and status = 'running' and lease_until > clock_timestamp()
    returning id`;
  if (held.length === 0) throw leaseLost(claim.batch);
}

/** Counts the published records of a run and its rows of these: only they can be read later. */
function publishedCounts(claim: Claim, result: RunResult, ends: readonly RecordEnd[]) {
  const published = new Set(ends.filter(({ status }) => status === 'published').map(({ id }) => id));
  const verdicts = result.output?.judgement.verdicts;
  let rows = 0;
  for (const { id, sourceId } of claim.records) {
    const verdict = published.has(id) ? verdicts?.get(sourceId) : undefined;
    if (verdict && 'rowCount' in verdict) rows += verdict.rowCount;
  }
  return { records: published.size, rows };
}

async function endRun(
  tx: Transaction,
  result: RunResult,
  published: ReturnType<typeof publishedCounts>,
): Promise<void> {
  const judgement = result.output?.judgement;
  await tx`
    update runs
    set status = ${result.status}, reason = ${result.reason}, started_at = ${result.startedAt}::text::timestamptz,
        finished_at = clock_timestamp(), input_digest = ${result.inputDigest},
        output_digest = ${judgement?.outputDigest ?? null}, row_count = ${judgement?.rowCount ?? 0},
        published_records = ${published.records}, published_rows = ${published.rows}
    where id = ${result.run.id}`;
}

/** The answer maps the record ids that have rows to their outcome ids. */
async function insertOutcomes(
  tx: Transaction,
  claim: Claim,
  result: RunResult,
): Promise<ReadonlyMap<string, string>> {
  const verdicts = claim.records.map(({ id, sourceId }) => {
    const attempt = result.answeredBy.get(sourceId) ?? result.attempt;
    const verdict = result.output?.judgement.verdicts.get(sourceId);
    if (verdict) return { id, attempt, verdict };
    const reason = result.reason ?? 'the hook gave no answer';
    return { id, attempt, verdict: { status: 'errored' as const, reason } };
  });
  const rows = await tx<{ id: string; batch_record: string }[]>`
    insert into outcomes (run, batch, hook, batch_record, attempt, status, reason, row_count)
    select ${result.run.id}, ${claim.batch}, ${result.run.hook}, batch_record, attempt, status, reason, row_count
    from unnest(
      ${arrayText(verdicts.map(({ id }) => id))}::text::bigint[],
      ${arrayText(verdicts.map(({ attempt }) => attempt))}::text::integer[],
      ${arrayText(verdicts.map(({ verdict }) => verdict.status))}::text::text[],
      ${arrayText(verdicts.map(({ verdict }) => ('reason' in verdict ? verdict.reason : null)))}::text::text[],
      ${arrayText(verdicts.map(({ verdict }) => ('rowCount' in verdict ? verdict.rowCount : 0)))}::text::integer[]
    ) as v (batch_record, attempt, status, reason, row_count)
    returning id, batch_record`;
  const sourceIds = new Map(claim.records.map((record) => [record.id, record.sourceId]));
  return new Map(rows.map((row) => [sourceIds.get(row.batch_record) ?? '', row.id]));
}

/**
 * Publishes what every hook passed, as the next version of each source. The gates keep two open batches from holding the same
 * source. The lock is for readers as of a moment: while nobody holds it, whatever was published by then can be seen.
 * Source and version are looked up record by record: a join would read the whole convention for each record where the
 * planner expects the convention to be empty.
 */
async function publish(
  tx: Transaction,
  { domain }: NodeIdentity,
  claim: Claim,
  ends: readonly RecordEnd[],
): Promise<void> {
  const ids = ends.filter((end) => end.status === 'published').map((end) => end.id);
  if (ids.length === 0) return;
  const set = await recordSet(tx, domain, claim);
  await tx`select pg_advisory_xact_lock(hashtext('osa.publish'), hashtext(${claim.convention}))`;
  // Rows of a record are seen from the end of their run.
  await tx`
    select set_config('osa.published_after', coalesce(greatest(${newestTime(tx, claim.convention)}, (
      select max(finished_at) from runs where batch = ${claim.batch})), '-infinity')::text, true)`;
  const published = await tx`
    with published as (
      update batch_records set status = 'published' where id = any (${arrayText(ids)}::text::bigint[])
      returning id, source_id
    )
    insert into records (batch_record, record_id, version, record_set)
    select p.id, s.record_id, coalesce((
             select version from records where record_id = s.record_id order by version desc limit 1), 0) + 1, ${set}
    from published p
    cross join lateral (
      select record_id from sources where convention = ${claim.convention} and source_id = p.source_id offset 0) s
    order by s.record_id
    returning batch_record`;
  if (published.length !== ids.length) {
    throw new OsaError(
      'internal',
      `batch ${claim.batch}: ${ids.length} records to publish and ${published.length} published`,
    );
  }
}

/** The facts that all of the claim's records share once they are published. */
async function recordSet(tx: Transaction, domain: string, { convention, schema }: Claim): Promise<number> {
  const find = () => tx<{ id: number }[]>`
    select id from record_sets
    where (convention, schema_id, schema_version, domain) = (${convention}, ${schema.id}, ${schema.version}, ${domain})`;
  const [known] = await find();
  if (known) return known.id;
  await tx`
    insert into record_sets (convention, schema_id, schema_version, domain)
    values (${convention}, ${schema.id}, ${schema.version}, ${domain}) on conflict do nothing`;
  const [made] = await find();
  if (!made) throw new OsaError('internal', `records of ${convention} have no set`);
  return made.id;
}

async function endRecords(tx: Transaction, ends: readonly RecordEnd[]): Promise<void> {
  const others = ends.filter((end) => end.status !== 'published');
  if (others.length === 0) return;
  await tx`
    update batch_records b set status = e.status, reason = e.reason
    from unnest(
      ${arrayText(others.map((end) => end.id))}::text::bigint[],
      ${arrayText(others.map((end) => end.status))}::text::text[],
      ${arrayText(others.map((end) => end.reason))}::text::text[]
    ) as e (id, status, reason)
    where b.id = e.id`;
}

/**
 * The fence says whose the batch was: only its holder can have ended it. The lock waits for a COMMIT that the
 * server may still be working on.
 */
async function requireCommitted(database: Database, claim: Claim, cause: unknown): Promise<void> {
  const committed = await database.transaction(async (tx) => {
    const [row] = await tx<{ status: string; fence: string }[]>`
      select status, fence from batches where id = ${claim.batch} for share`;
    return row?.status === 'done' && row.fence === claim.fence;
  });
  if (!committed) {
    throw new OsaError('unavailable', `batch ${claim.batch}: the connection was lost before its commit`, {
      cause,
    });
  }
}
