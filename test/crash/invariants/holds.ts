import type { Hold, Model } from './model.ts';
import type { State } from './state.ts';
import type { Report } from './violations.ts';

/** The clocks of the harness and of PostgreSQL are one; its times are cut to milliseconds. */
const slackMs = 2;

/** Pauses and cancellations are barriers: after their answer nothing is claimed, or written, that they forbid. */
export function checkHolds(state: State, model: Model, report: Report): void {
  checkPauses(state, model, report);
  checkCancels(state, model, report);
  checkLeft(state, model, report);
}

function checkPauses({ batches, runs }: State, model: Model, report: Report): void {
  const hooksOf = Map.groupBy(runs, (run) => run.batch);
  for (const { id, ingestion, snapshot_ms: at } of batches) {
    if (at === null) continue;
    const named = [ingestion, ...(hooksOf.get(id) ?? []).map(({ hook }) => hook)];
    for (const pause of model.pauses) {
      if (!named.includes(pause.of) || pause.ackedAt === undefined) continue;
      if (at <= pause.ackedAt + slackMs || at >= endOf(pause, model.resumes) - slackMs) continue;
      report('I8', `batch ${id} was claimed while ${pause.of} was paused`);
    }
  }
}

/** When the pause may have been ended, by anyone. */
function endOf({ of, sentAt }: Hold, resumes: readonly Hold[]): number {
  const ends = resumes.filter((one) => one.of === of && (one.ackedAt ?? Number.POSITIVE_INFINITY) >= sentAt);
  return Math.min(...ends.map((one) => one.sentAt), Number.POSITIVE_INFINITY);
}

function checkCancels({ batches }: State, model: Model, report: Report): void {
  for (const { of, sentAt, ackedAt } of model.cancels) {
    for (const batch of batches) {
      // A retry made since is not cancelled.
      if (batch.ingestion !== of || madeAt(batch.id) >= sentAt || ackedAt === undefined) continue;
      if (batch.status === 'done' && (batch.finished_ms ?? 0) > ackedAt + slackMs) {
        report('I11', `batch ${batch.id} was done after its ingestion was cancelled`);
      }
    }
  }
}

/**
 * A move that ends what runs: of what was claimed before it, under the release that it left, only as many batches are done
 * after it as its answer named. A deposition in review has run, and a move does not touch it: there the end of its last
 * attempt counts.
 */
function checkLeft({ batches, runs, attempts }: State, model: Model, report: Report): void {
  const runsOf = Map.groupBy(runs, (run) => run.batch);
  const attemptsOf = Map.groupBy(attempts, ({ run }) => run);
  const lastAttempt = (batch: string) =>
    Math.max(
      ...(runsOf.get(batch) ?? []).flatMap((run) =>
        (attemptsOf.get(run.id) ?? []).map((attempt) => attempt.finished_ms ?? Number.POSITIVE_INFINITY),
      ),
    );
  for (const { hook, cancelRunning, changed, left, kept = [], sentAt, ackedAt } of model.moves) {
    if (!cancelRunning || !changed || ackedAt === undefined) continue;
    const named = new Map(
      kept.map(({ ingestion_id, recompute_id, batches: count }) => [ingestion_id ?? recompute_id, count]),
    );
    for (const batch of batches) {
      const { id, ingestion, recompute, status, snapshot_ms: claimed } = batch;
      const finished = batch.deposition === null ? batch.finished_ms : lastAttempt(id);
      const isLeft = runsOf.get(id)?.some((run) => run.hook === hook && run.version === left);
      if (!isLeft || status !== 'done' || claimed === null || claimed >= sentAt - slackMs) continue;
      if ((finished ?? 0) <= ackedAt + slackMs) continue;
      const count = named.get(ingestion ?? recompute) ?? 0;
      named.set(ingestion ?? recompute, count - 1);
      if (count <= 0) {
        report('I11', `batch ${id} was done under version ${left} of ${hook} after a move had ended it`);
      }
    }
  }
}

/**
 * The batches that moves of a pointer have ended, and those that recomputes took back from review; their records were put
 * into others at once. No event tells of the latter, since they are private.
 */
export function takenBatches({ events, batches }: Pick<State, 'events' | 'batches'>): ReadonlySet<string> {
  const told = events.filter(({ type }) => type === 'batches.claimed_again');
  const takenBack = batches.filter(
    ({ deposition, status, reason }) =>
      deposition !== null && status === 'failed' && reason?.includes('is computed again by recompute'),
  );
  return new Set([
    ...told.flatMap(({ payload }) => payload.batches as string[]),
    ...takenBack.map(({ id }) => id),
  ]);
}

/** The milliseconds in a UUID of version 7. */
function madeAt(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
}

/** A deposition is published once, by one decision, and its state, its record and the decision are one. */
export function checkDepositions(state: State, model: Model, report: Report): void {
  const known = new Map(model.deposits.map((deposit) => [deposit.id, deposit]));
  const reviews = Map.groupBy(state.reviews, ({ deposition }) => deposition);
  for (const { id, status, published, is_misplaced } of state.depositions) {
    const sent = known.get(id);
    const decisions = reviews.get(id) ?? [];
    const approved = decisions.filter(({ decision }) => decision === 'approved').length;
    if (published > 1) report('I6', `deposition ${id} is published ${published} times`, 'duplicated');
    if (published !== approved)
      report('I6', `deposition ${id} is published ${published} times, and approved ${approved} times`);
    if ((status === 'accepted') !== (published === 1))
      report('I6', `deposition ${id} is ${status}, and published ${published} times`, 'lost');
    if (is_misplaced)
      report('I6', `deposition ${id} is ${status}, and not exactly its unpublished batches are private`);
    if (sent?.ackedAt === undefined) continue;
    if (status === 'in_validation' || status === 'in_review')
      report('I12', `deposition ${id} is ${status} in the end`, 'lost');
    if (sent.decisions.length > 1)
      report('I9', `deposition ${id} was decided by ${sent.decisions.join(' and ')}`, 'duplicated');
    if (sent.decisions.includes('approve') && status !== 'accepted')
      report('I9', `deposition ${id} was approved and is ${status}`, 'lost');
    if (sent.decisions.length === 1 && !sent.decisions.includes('approve') && status !== 'draft')
      report('I9', `deposition ${id}: ${sent.decisions[0]} was answered, and it is ${status}`, 'lost');
  }
  for (const { id, ackedAt } of model.deposits) {
    const isStored = state.depositions.some((one) => one.id === id);
    if (ackedAt !== undefined && !isStored) report('I9', `deposition ${id} is gone`, 'lost');
  }
  if (state.depositions.length > model.deposits.length)
    report('I9', `${state.depositions.length} depositions of ${model.deposits.length} sent`, 'duplicated');
  if (state.held > 0) report('I14', `${state.held} answers are held, and nothing is in review`);
}
