import type { Model } from '../model.ts';
import type { Outcome, State } from '../state.ts';
import type { Report } from '../violations.ts';

/** I16: what recomputes and heals leave, computed from the outcomes and not from what the database keeps of it. */
export function checkRecomputes(state: State, model: Model, report: Report): void {
  const index = indexed(state);
  for (const { id, hook, finished } of state.recomputes) {
    if (!finished) report('I16', `recompute ${id} of ${hook} has not ended`, 'lost');
  }
  checkSupersessions(state, index, report);
  checkStanding(state, index, report);
  checkHeals(state, model, index, report);
  checkCounts(state, index, report);
  checkEvents(state, report);
}

type Index = ReturnType<typeof indexed>;

function indexed(state: State) {
  const newest = new Map(state.records.map((record) => [record.source_id, record.batch_record]));
  const runs = new Map(state.runs.map((run) => [run.id, run]));
  const recomputeOf = new Map(state.batches.map((batch) => [batch.id, batch.recompute]));
  const standing = state.outcomes.filter((one) => one.superseded_by === null && one.status !== 'errored');
  return {
    outcomes: new Map(state.outcomes.map((outcome) => [outcome.id, outcome])),
    batches: new Map(state.batches.map((batch) => [batch.id, batch])),
    published: new Set(state.records.map((record) => record.batch_record)),
    /** The batch record of the newest version of each source. */
    newest: new Set(newest.values()),
    versionOf: (outcome: Outcome) => runs.get(outcome.run)?.version ?? 0,
    runsOf: Map.groupBy(state.runs, (run) => run.batch),
    sourceOf: new Map(state.records.map((record) => [record.batch_record, record.source_id])),
    /** The sources whose last try within a recompute errored, by `<recompute> <source>`. */
    erroredLast: new Set(
      state.recomputeRecords
        .filter((one) => one.status === 'errored' && one.retried_in === null)
        .map((one) => `${recomputeOf.get(one.batch)} ${one.source_id}`),
    ),
    standing: Map.groupBy(standing, (outcome) => outcome.batch_record),
  };
}

/** An outcome gives way to one that a recompute has made of the same record and hook, under another release. */
function checkSupersessions({ outcomes }: State, index: Index, report: Report): void {
  const replaced = new Map<string, string>();
  for (const outcome of outcomes) {
    if (outcome.superseded_by === null) continue;
    const by = index.outcomes.get(outcome.superseded_by);
    const isOfRecompute = index.batches.get(by?.batch ?? '')?.recompute !== null;
    const name = `outcome ${outcome.id} of ${outcome.hook}`;
    if (by?.hook !== outcome.hook || by.batch_record !== outcome.batch_record || !isOfRecompute)
      report('I16', `${name} gave way to ${JSON.stringify(by)}`, 'misattributed');
    if (by?.status === 'errored') report('I16', `${name} gave way to one that errored`, 'lost');
    if (by && index.versionOf(by) === index.versionOf(outcome))
      report('I16', `${name} gave way to one of the same release`, 'duplicated');
    const other = replaced.get(outcome.superseded_by);
    if (other !== undefined) report('I16', `${name} and ${other} gave way to the same`, 'lost');
    replaced.set(outcome.superseded_by, outcome.id);
  }
}

/** Every published record has exactly one standing outcome of each hook that ran when it was published, and it passed. */
function checkStanding({ records, batchRecords }: State, index: Index, report: Report): void {
  const batchOf = new Map(batchRecords.map(({ id, batch }) => [id, batch]));
  for (const { batch_record: record, srn } of records) {
    const standing = Map.groupBy(index.standing.get(record) ?? [], (outcome) => outcome.hook);
    for (const [hook, all] of standing) {
      if (all.length > 1) report('I16', `${srn} has ${all.length} current outcomes of ${hook}`, 'duplicated');
      if (all.some(({ status }) => status !== 'passed')) report('I16', `${srn}: ${hook} rejects it`, 'lost');
    }
    for (const { hook } of index.runsOf.get(batchOf.get(record) ?? '') ?? []) {
      if (!standing.has(hook)) report('I16', `${srn} has no current outcome of ${hook}`, 'lost');
    }
  }
}

/** A heal is made with its move, and in the end nothing is current of what it left, unless that went live again. */
function checkHeals({ changes, recomputes }: State, model: Model, index: Index, report: Report): void {
  for (const { hook, heal, changed, left, seq, recompute } of model.moves) {
    if (!heal || !changed || left === undefined || seq === undefined) continue;
    const made = recomputes.find(({ id }) => id === recompute);
    if (made?.hook !== hook || made.healed_seq !== seq || made.releases.join() !== String(left)) {
      report('I16', `change ${seq} of ${hook} has no recompute of version ${left}`, 'lost');
      continue;
    }
    const wasLive = changes.some((one) => one.hook === hook && one.seq > seq && one.to_version === left);
    if (wasLive || model.cancels.some(({ of }) => of === recompute)) continue;
    for (const [record, outcomes] of index.standing) {
      if (!index.newest.has(record)) continue;
      const of = outcomes.find((outcome) => outcome.hook === hook && index.versionOf(outcome) === left);
      // An outcome that errored when it was computed again, and was not tried again since, keeps its rows.
      if (of && !index.erroredLast.has(`${recompute} ${index.sourceOf.get(record)}`))
        report(
          'I16',
          `outcome ${of.id} of ${hook} ${left} is current after the heal of change ${seq}`,
          'lost',
        );
    }
  }
  const told = new Set(model.moves.map((move) => move.recompute));
  const unknown = model.moves.filter(({ heal, ackedAt }) => heal && ackedAt === undefined).length;
  const untold = recomputes.filter(({ id, healed_seq }) => healed_seq !== null && !told.has(id)).length;
  if (untold > unknown) report('I16', `${untold} heals that nobody asked for`, 'duplicated');
}

/** The kept counts are those that one gets by counting. */
function checkCounts({ counts }: State, index: Index, report: Report): void {
  const real = new Map<string, { records: number; rows: number }>();
  for (const [record, outcomes] of index.standing) {
    if (!index.newest.has(record)) continue;
    for (const outcome of outcomes) {
      const key = `${outcome.hook} ${index.versionOf(outcome)}`;
      const { records, rows } = real.get(key) ?? { records: 0, rows: 0 };
      real.set(key, { records: records + 1, rows: rows + outcome.row_count });
    }
  }
  const kept = new Map(
    counts.map(({ hook, version, records, rows }) => [`${hook} ${version}`, { records, rows }]),
  );
  for (const key of new Set([...real.keys(), ...kept.keys()])) {
    const [is, says] = [real.get(key), kept.get(key)];
    if (is?.records !== says?.records || is?.rows !== says?.rows)
      report('I16', `${key}: the counts say ${JSON.stringify(says)}, there are ${JSON.stringify(is)}`);
  }
}

/** A heal has its event in the transaction that moved the pointer, so that no move is stored without its heal. */
function checkEvents({ recomputes, events }: State, report: Report): void {
  for (const { id, healed_seq, xact } of recomputes) {
    const isTogether = events.some(
      (event) => event.type === 'recompute.created' && event.payload.recompute === id && event.xact === xact,
    );
    if (healed_seq !== null && !isTogether)
      report('I16', `heal ${id} is not of the transaction of change ${healed_seq}`, 'lost');
  }
  for (const type of ['recompute.created', 'recompute.finished']) {
    const told = events.filter((event) => event.type === type).map(({ payload }) => payload.recompute);
    for (const { id } of recomputes) {
      const count = told.filter((one) => one === id).length;
      const isRight = type === 'recompute.created' ? count === 1 : count >= 1;
      if (!isRight) report('I16', `recompute ${id}: ${type} is told of ${count} times`);
    }
  }
}

/** I17: a replay ends, makes nothing, and says of code that answers alike that it does. */
export function checkReplays(state: State, model: Model, report: Report): void {
  const runs = new Map(state.runs.map((run) => [run.id, run]));
  const digests = new Map(state.releases.map(({ hook, version, digest }) => [`${hook} ${version}`, digest]));
  for (const { id, hook, finished } of state.replays) {
    if (!finished) report('I17', `replay ${id} of ${hook} has not ended`, 'lost');
  }
  const answered = model.replays.filter(({ id }) => id !== undefined).length;
  const unknown = model.replays.filter(({ ackedAt }) => ackedAt === undefined).length;
  if (state.replays.length < answered || state.replays.length > answered + unknown)
    report('I17', `${state.replays.length} replays of ${answered} answered ones`, 'lost');
  for (const { part, run: id, verdict, reason, digest } of state.certificates) {
    const run = runs.get(id);
    const name = `certificate of ${run?.hook} ${run?.version}, part ${part}`;
    if (verdict !== 'cannot' && digest !== digests.get(`${run?.hook} ${run?.version}`))
      report('I17', `${name}: ${digest} ran`, 'misattributed');
    const mayFail = model.anyMayFail || model.brokenRuns.has(part);
    if (verdict === 'differs' && !mayFail) report('I17', `${name} differs (${reason})`, 'misattributed');
  }
  checkNothingMade(state, report);
}

/** Every outcome has the rows that it counts and no further one, and is of a batch; so has every run. */
function checkNothingMade({ outcomes, rows, batches, runs }: State, report: Report): void {
  const made = Map.groupBy(rows, (row) => row.outcome_id);
  for (const { id, hook, row_count: count } of outcomes) {
    const found = made.get(id)?.length ?? 0;
    if (found !== count)
      report('I17', `outcome ${id} of ${hook} counts ${count} rows and has ${found}`, 'duplicated');
  }
  const known = new Set(batches.map(({ id }) => id));
  for (const { id, batch } of runs)
    if (!known.has(batch)) report('I17', `run ${id} is of no batch`, 'duplicated');
}
