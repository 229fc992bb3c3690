import { diesOf, expectedRows, fussyValue, type Making } from '../hooks.ts';
import { takenBatches } from './holds.ts';
import { isSame, makingOf, spell } from './making.ts';
import type { Model } from './model.ts';
import type { Batch, BatchRecord, Outcome, State, StoredRow } from './state.ts';
import type { Report } from './violations.ts';

/** I4–I6, I8, I11, I12: what became of every record, and every row of it. The answer counts the rows. */
export function checkRows(state: State, model: Model, report: Report): number {
  const index = indexed(state, model);
  for (const batch of state.batches) checkBatch(batch, index, model, report);
  for (const record of state.batchRecords) checkRecord(record, index, model, report);
  for (const outcome of state.outcomes) checkOutcome(outcome, index, report);
  for (const { run, n, finished } of state.attempts) {
    if (!finished) report('I12', `attempt ${n} of run ${run} has no end`);
  }
  for (const row of state.rows) {
    if (index.outcomes.get(row.outcome_id)?.run !== row.run_id) {
      report(
        'I4',
        `a row of ${row.hook} has no run: outcome ${row.outcome_id}, run ${row.run_id}`,
        'misattributed',
      );
    }
  }
  return state.rows.length;
}

const nothing: Making = { oracle: 'none', config: 'none', argument: 'none' };

type Index = ReturnType<typeof indexed>;

function indexed(state: State, model: Model) {
  return {
    taken: takenBatches(state),
    makings: new Map(
      state.releases.map((release) => [`${release.hook} ${release.version}`, makingOf(release, model)]),
    ),
    batches: new Map(state.batches.map((batch) => [batch.id, batch])),
    records: new Map(state.batchRecords.map((record) => [record.id, record])),
    outcomes: new Map(state.outcomes.map((outcome) => [outcome.id, outcome])),
    outcomesOf: Map.groupBy(state.outcomes, (outcome) => outcome.batch_record),
    runs: new Map(state.runs.map((run) => [run.id, run])),
    runsOf: Map.groupBy(state.runs, (run) => run.batch),
    attempts: new Map(state.attempts.map((attempt) => [`${attempt.run} ${attempt.n}`, attempt])),
    rows: Map.groupBy(state.rows, (row) => row.outcome_id),
  };
}

function checkBatch(batch: Batch, { runsOf, taken }: Index, model: Model, report: Report): void {
  const isWithdrawn = model.deposits.some(
    ({ id, decisions, ackedAt }) =>
      id === batch.deposition && (decisions.includes('withdraw') || ackedAt === undefined),
  );
  const mayFail =
    batch.status === 'failed' &&
    (taken.has(batch.id) ||
      isWithdrawn ||
      model.cancels.some(({ of }) => of === (batch.ingestion ?? batch.recompute)));
  if (batch.status !== 'done' && !mayFail)
    report('I12', `batch ${batch.id} is ${batch.status}: ${batch.reason}`, 'lost');
  for (const run of runsOf.get(batch.id) ?? []) {
    if (run.status === null) report('I12', `run ${run.id} of batch ${batch.id} has no end`);
  }
}

function checkRecord(record: BatchRecord, index: Index, model: Model, report: Report): void {
  const { id, batch, source_id: source, value, status } = record;
  if (index.batches.get(batch)?.status === 'failed') {
    checkCancelled(record, index, report);
    return;
  }
  const runsOfBatch = index.runsOf.get(batch) ?? [];
  const isDeadly = [nothing, ...runsOfBatch.map((run) => makingOfRun(index, run))].some(({ oracle }) =>
    diesOf(oracle, value),
  );
  // Whatever the hooks say, a reviewer may give it back.
  const isReviewed = (index.batches.get(batch)?.deposition ?? null) !== null;
  const expected = [...endsOf(value, isDeadly), ...(isReviewed ? ['rejected'] : [])];
  const mayFail = model.anyMayFail || runsOfBatch.some((run) => model.brokenRuns.has(run.id));
  const isExpected = expected.includes(status) || (mayFail && ['errored', 'rejected'].includes(status));
  if (!isExpected) report('I6', `record ${id} (${source}: ${value}) is ${status}: ${record.reason}`, 'lost');
  // Those of its own batch; a recompute may have added others since.
  const outcomes = (index.outcomesOf.get(id) ?? []).filter((outcome) => outcome.batch === batch);
  if (status === 'invalid' || status === 'unchanged') {
    if (outcomes.length > 0) report('I6', `record ${id} is ${status} and has outcomes`, 'duplicated');
    return;
  }
  const runs = runsOfBatch.map((run) => run.hook).sort();
  const answered = outcomes.map(({ hook }) => hook).sort();
  if (runs.join() !== answered.join())
    report('I6', `record ${id}: runs of ${runs}, outcomes of ${answered}`, 'lost');
  const allPassed = outcomes.every((outcome) => outcome.status === 'passed');
  if ((status === 'published') !== allPassed && !(isReviewed && status === 'rejected'))
    report('I6', `record ${id} is ${status}, all passed: ${allPassed}`);
}

/** A record may be unchanged whatever it would do to the code. */
function endsOf(value: unknown, isDeadly: boolean): string[] {
  if (typeof value !== 'number') return ['invalid'];
  if (isDeadly) return value === fussyValue ? ['errored', 'unchanged'] : ['errored'];
  return value < 0 ? ['rejected'] : ['published', 'unchanged'];
}

/** Nothing of a batch that was cancelled is written. Work that a move has ended is in another batch. */
function checkCancelled(
  { id, batch, status, retried_in }: BatchRecord,
  { outcomesOf, taken }: Index,
  report: Report,
): void {
  if (taken.has(batch) && status === 'errored' && retried_in === null)
    report('I6', `record ${id} of a batch that a move has ended is in no other`, 'lost');
  const isExpected = ['errored', 'invalid', 'unchanged'].includes(status);
  if (!isExpected || outcomesOf.has(id))
    report('I11', `record ${id} of a cancelled batch is ${status}, and has outcomes`);
}

function checkOutcome(outcome: Outcome, index: Index, report: Report): void {
  const run = index.runs.get(outcome.run);
  const record = index.records.get(outcome.batch_record);
  const batch = index.batches.get(outcome.batch);
  const rows = (index.rows.get(outcome.id) ?? []).toSorted((a, b) => a.ordinal - b.ordinal);
  if (!run || !record || !batch) {
    report('I4', `outcome ${outcome.id} has no run or no record`);
    return;
  }
  const name = `run ${run.id} (${run.hook} ${run.version}) of ${record.source_id}`;
  if (outcome.attempt !== null) {
    const attempt = index.attempts.get(`${run.id} ${outcome.attempt}`);
    if (attempt?.fence !== batch.fence) {
      report(
        'I11',
        `${name}: attempt ${outcome.attempt} had the fence ${attempt?.fence}, the batch ended with ${batch.fence}`,
      );
    }
  }
  const making = makingOfRun(index, run);
  for (const row of rows) {
    if (!isSame(row, making))
      report('I5', `${name}: the row says ${spell(row)}, the release is ${spell(making)}`, 'misattributed');
  }
  // No rows of a deposition that came back are kept.
  const keepsRows = batch.deposition === null || record.status === 'published' || batch.recompute !== null;
  checkStored(outcome, { name, making, rows, record, keepsRows }, report);
}

function makingOfRun({ makings }: Index, { hook, version }: { hook: string; version: number }): Making {
  return makings.get(`${hook} ${version}`) ?? nothing;
}

function checkStored(
  { hook, status }: Outcome,
  {
    name,
    making,
    rows,
    record,
    keepsRows,
  }: {
    name: string;
    making: Making;
    rows: readonly StoredRow[];
    record: BatchRecord;
    keepsRows: boolean;
  },
  report: Report,
): void {
  const { source_id: source, value } = record;
  const expected = expectedRows(hook, making, { source, value: Number(value) });
  if (status === 'passed' && diesOf(making.oracle, value))
    report('I6', `${name}: passed, and its code was to die`);
  if (status === 'passed' && !expected) report('I6', `${name}: passed, and was to be rejected`);
  if (status === 'rejected' && expected) report('I6', `${name}: rejected, and was to pass`, 'lost');
  const wanted = status === 'passed' && keepsRows ? (expected ?? []) : [];
  if (rows.length < wanted.length) report('I6', `${name}: ${rows.length} of ${wanted.length} rows`, 'lost');
  if (rows.length > wanted.length)
    report('I6', `${name}: ${rows.length} rows for ${wanted.length}`, 'duplicated');
  for (const [index, row] of rows.entries()) {
    const one = wanted[index];
    if (row.ordinal !== one?.ordinal || row.source !== one.source || Number(row.value) !== one.value) {
      report('I6', `${name}: row ${index} is ${JSON.stringify(row)}`);
    }
  }
}
