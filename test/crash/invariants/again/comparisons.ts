import { createHash } from 'node:crypto';
import { diesOf, expectedRows, type Making, type Row } from '../../hooks.ts';
import { makingOf } from '../making.ts';
import type { Comparing, Model } from '../model.ts';
import type { State, StoredComparison, StoredRow } from '../state.ts';
import type { Report } from '../violations.ts';

/** I18: every comparison ends with a report, of the release that was asked for, and the same for the same seed. */
export function checkComparisons(state: State, model: Model, report: Report): void {
  const stored = new Map(state.comparisons.map((comparison) => [comparison.id, comparison]));
  checkAnswered(stored, state, model, report);
  for (const comparison of state.comparisons) checkReport(comparison, { state, model }, report);
  const last = model.comparisons.filter(({ isLast, id }) => isLast && id !== undefined);
  const [first, again] = last.map(({ id }) => stored.get(id ?? ''));
  const wanted = last[0];
  if (!wanted || !first?.report || !again?.report) return;
  const name = nameOf(first);
  if (JSON.stringify(first.report) !== JSON.stringify(again.report))
    report('I18', `${name} says something else than ${again.id} of the same seed`);
  checkExpected(name, first.report, expected(wanted, state, model), report);
}

function nameOf({ id, hook, version }: StoredComparison): string {
  return `comparison ${id} of ${hook} ${version}`;
}

function checkAnswered(
  stored: ReadonlyMap<string, StoredComparison>,
  { events }: State,
  model: Model,
  report: Report,
): void {
  const answered = model.comparisons.filter(({ id }) => id !== undefined);
  for (const { id = '', hook, version } of answered) {
    const found = stored.get(id);
    if (found?.hook !== hook || found.version !== version)
      report('I18', `comparison ${id} of ${hook} ${version} was answered and is not there`, 'lost');
  }
  const unknown = model.comparisons.filter(({ ackedAt }) => ackedAt === undefined).length;
  if (stored.size > answered.length + unknown)
    report('I18', `${stored.size} comparisons of ${answered.length} answered ones`, 'duplicated');
  for (const comparison of stored.values()) {
    const { id, status, problem } = comparison;
    if (status !== 'done') report('I18', `${nameOf(comparison)} is ${status}: ${problem}`, 'lost');
    const told = events.filter(
      ({ type, payload }) => type === 'comparison.created' && payload.comparison === id,
    ).length;
    if (told !== 1) report('I18', `${nameOf(comparison)} is told of ${told} times`);
  }
}

/** Its counts agree with each other, and its examples with the rows that are stored and with the release. */
function checkReport(
  comparison: StoredComparison,
  { state, model }: { readonly state: State; readonly model: Model },
  report: Report,
): void {
  const { id, hook, version, sample, report: said } = comparison;
  if (!said) return;
  const name = nameOf(comparison);
  const { records, outcomes, rows, columns, examples } = said;
  const sum = outcomes.reduce((total, one) => total + one.records, 0);
  const matched = rows.before - rows.removed;
  const agree = [sum === records, records <= (sample ?? records), rows.after - rows.added === matched];
  if (agree.includes(false) || columns.some(({ compared }) => compared !== matched))
    report('I18', `${name}: its counts disagree: ${JSON.stringify({ records, sum, rows, columns })}`);
  const mayFail = model.anyMayFail || model.brokenRuns.has(id);
  const release = state.releases.find((one) => one.hook === hook && one.version === version);
  const making = release && makingOf(release, model);
  const rowsByName = new Map(state.rows.map((row) => [`${row.hook}/${row.id}`, row]));
  const values = new Map(state.records.map(({ srn, value }) => [srn, value]));
  for (const { what, row, before, after, record_srn: srn } of examples) {
    const stored = rowsByName.get(row ?? '');
    if (what === 'oracle' || what === 'config' || what === 'argument') {
      if (after !== making?.[what] || before !== stored?.[what])
        report('I18', `${name}: ${row} has ${what} ${stored?.[what]} and gets ${after}`, 'misattributed');
    } else if (what === 'outcome') {
      if (!mayFail && !(making && diesOf(making.oracle, values.get(srn))) && !isAmongDying(said.outcomes))
        report('I18', `${name}: ${srn} is ${before} and gets ${after}`, 'misattributed');
    } else if (what !== 'row removed' || stored === undefined)
      report('I18', `${name}: ${row} of ${srn} gets ${what} ${after}`, 'misattributed');
  }
}

/** Where several records end the code, the search for them may be given up, and errors others. */
function isAmongDying(outcomes: readonly { readonly to: string; readonly records: number }[]): boolean {
  return outcomes.some(({ to, records }) => to === 'errored' && records > 1);
}

interface Expected {
  readonly records: number;
  /** Undefined where several records end the code. */
  readonly changed: number | undefined;
  readonly rows: { readonly before: number; readonly after: number };
  readonly differ: Readonly<Record<string, number>>;
}

/** The report that the stored rows and the code of the release must give. */
function expected(wanted: Comparing, state: State, model: Model): Expected {
  const release = state.releases.find((one) => one.hook === wanted.hook && one.version === wanted.version);
  const making = release ? makingOf(release, model) : { oracle: '', config: '', argument: '' };
  const drawn = draw(wanted, state);
  const made = drawn.map((one) => ({ ...one, after: makeOf(wanted, making, one) }));
  const differ: Record<string, number> = {};
  let changed = 0;
  for (const { before, after } of made) {
    let isChanged = after === undefined;
    for (const [at, row] of before.entries()) {
      const other = after?.[at];
      if (!other) continue;
      for (const column of ['oracle', 'config', 'argument', 'source', 'value'] as const) {
        if (String(row[column]) === String(other[column])) continue;
        differ[column] = (differ[column] ?? 0) + 1;
        isChanged = true;
      }
    }
    if (isChanged) changed += 1;
  }
  const dying = made.filter(({ after }) => after === undefined).length;
  const count = (side: 'before' | 'after') =>
    made.reduce((total, one) => total + (one[side]?.length ?? 0), 0);
  return {
    records: drawn.length,
    changed: dying > 1 ? undefined : changed,
    ...{ rows: { before: count('before'), after: count('after') }, differ },
  };
}

interface Drawn {
  readonly source: string;
  readonly value: number;
  readonly before: readonly StoredRow[];
}

/** The newest versions with a current outcome of the hook, in the order that the seed gives. */
function draw({ hook, seed, sample }: Comparing, { records, outcomes, rows }: State): Drawn[] {
  const newest = new Map(records.map((record) => [record.record_id, record]));
  const current = new Map(
    outcomes
      .filter((one) => one.hook === hook && one.superseded_by === null && one.status !== 'errored')
      .map((one) => [one.batch_record, one.id]),
  );
  const digest = (id: string) => createHash('sha256').update(`${seed} ${id}`).digest('hex');
  return [...newest.values()]
    .filter(({ batch_record: record }) => current.has(record))
    .map((record) => ({ record, at: digest(record.record_id) }))
    .toSorted((one, other) => (one.at < other.at ? -1 : 1))
    .slice(0, sample)
    .map(({ record: { source_id: source, value, batch_record: record } }) => ({
      ...{ source, value },
      before: rows
        .filter((row) => row.hook === hook && row.outcome_id === current.get(record))
        .toSorted((one, other) => one.ordinal - other.ordinal),
    }));
}

/** Undefined of a record that ends the code. */
function makeOf(
  { hook }: Comparing,
  making: Making,
  { source, value }: Pick<Drawn, 'source' | 'value'>,
): readonly Row[] | undefined {
  if (diesOf(making.oracle, value)) return undefined;
  return expectedRows(hook, making, { source, value });
}

function checkExpected(
  name: string,
  { records, changed_records: changed, rows, columns }: NonNullable<StoredComparison['report']>,
  wanted: Expected,
  report: Report,
): void {
  const says = { records, changed, before: rows.before, after: rows.after };
  const is = { records: wanted.records, changed: wanted.changed, ...wanted.rows };
  if (wanted.changed === undefined) {
    if (says.records !== is.records || says.before !== is.before)
      report('I18', `${name} says ${JSON.stringify(says)}, and it is ${JSON.stringify(is)}`);
    return;
  }
  if (JSON.stringify(says) !== JSON.stringify(is))
    report('I18', `${name} says ${JSON.stringify(says)}, and it is ${JSON.stringify(is)}`, 'misattributed');
  for (const { name: column, differ } of columns) {
    if (differ !== (wanted.differ[column] ?? 0))
      report('I18', `${name}: ${differ} values of ${column} differ, not ${wanted.differ[column] ?? 0}`);
  }
}
