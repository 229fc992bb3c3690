import type { FeatureContract } from '../../hook/hook.ts';
import { canonicalJson } from '../../json/canonical.ts';
import { isRawNumber } from '../../json/raw.ts';
import type { Verdict } from '../../run/output/judgement.ts';
import type { ComparedRecord, ComparedRow, ComparisonReport, Tolerances } from './comparisons.ts';

/** Upper bounds of the histogram: shares of the larger value. */
const bins = [1e-12, 1e-9, 1e-6, 1e-3, 1e-2, 1e-1, 1] as const;
const mostExamples = 10;

type Example = ComparisonReport['examples'][number];

interface ColumnState {
  compared: number;
  differ: number;
  beyond: number;
  maxAbs: number | null;
  maxRel: number | null;
  readonly histogram: number[];
}

/** Sums up what differs between what is stored and what a release has answered, record by record. */
export class Measure {
  private readonly columns: ReadonlyMap<string, ColumnState>;
  private readonly outcomes = new Map<string, number>();
  private readonly examples: Example[] = [];
  private readonly feature: FeatureContract;
  private readonly tolerances: Tolerances;
  private readonly keys: readonly string[];
  private records = 0;
  private changed = 0;
  private readonly rows = { before: 0, after: 0, added: 0, removed: 0, changed: 0 };

  constructor(
    feature: FeatureContract,
    { tolerances, keys }: { readonly tolerances: Tolerances; readonly keys: readonly string[] },
  ) {
    this.feature = feature;
    this.tolerances = tolerances;
    this.keys = keys;
    this.columns = new Map(
      feature.columns.map(({ name }) => [
        name,
        {
          compared: 0,
          differ: 0,
          beyond: 0,
          maxAbs: null,
          maxRel: null,
          histogram: bins.map(() => 0).concat(0),
        },
      ]),
    );
  }

  add(record: ComparedRecord, verdict: Verdict, after: readonly ComparedRow[]): void {
    this.records += 1;
    const key = `${record.before} ${verdict.status}`;
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
    this.rows.before += record.rows.length;
    this.rows.after += after.length;
    let isChanged = record.before !== verdict.status;
    if (isChanged) {
      const why = 'reason' in verdict ? `${verdict.status}: ${verdict.reason}` : verdict.status;
      this.example({ ...of(record), row: null, what: 'outcome', before: record.before, after: why });
    }
    for (const [old, made] of this.matched(record.rows, after)) {
      if (this.compareRows(record, old, made)) isChanged = true;
    }
    if (isChanged) this.changed += 1;
  }

  report(): ComparisonReport {
    return {
      records: this.records,
      changed_records: this.changed,
      outcomes: [...this.outcomes]
        .map(([key, records]) => {
          const [from, to] = key.split(' ') as [Verdict['status'], Verdict['status']];
          return { from, to, records };
        })
        .sort((one, other) => other.records - one.records),
      rows: this.rows,
      columns: [...this.columns].map(([name, { maxAbs, maxRel, histogram, ...counts }]) => ({
        ...{ name, ...counts, max_abs: maxAbs, max_rel: maxRel },
        histogram: histogram.map((count, index) => ({ below: bins[index] ?? null, count })),
      })),
      examples: this.examples,
    };
  }

  /** Rows before and after that belong together; one of the two is undefined where there is no other. */
  private matched(
    before: readonly ComparedRow[],
    after: readonly ComparedRow[],
  ): (readonly [ComparedRow | undefined, ComparedRow | undefined])[] {
    if (this.keys.length === 0) {
      const length = Math.max(before.length, after.length);
      return Array.from({ length }, (_, index) => [before[index], after[index]] as const);
    }
    const keyOf = ({ values }: ComparedRow) => canonicalJson(this.keys.map((name) => values[name] ?? null));
    const waiting = Map.groupBy(after, keyOf);
    const pairs: (readonly [ComparedRow | undefined, ComparedRow | undefined])[] = before.map((row) => [
      row,
      waiting.get(keyOf(row))?.shift(),
    ]);
    for (const rest of waiting.values()) for (const row of rest) pairs.push([undefined, row]);
    return pairs;
  }

  /** Whether they differ beyond the tolerances. */
  private compareRows(
    record: ComparedRecord,
    before: ComparedRow | undefined,
    after: ComparedRow | undefined,
  ): boolean {
    const name = before?.name ?? null;
    if (!before || !after) {
      this.rows[before ? 'removed' : 'added'] += 1;
      this.example({
        ...{ ...of(record), row: name, what: before ? 'row removed' : 'row added' },
        ...{ before: before?.values ?? null, after: after?.values ?? null },
      });
      return true;
    }
    let isBeyond = false;
    for (const column of this.feature.columns) {
      const [old, made] = [before.values[column.name] ?? null, after.values[column.name] ?? null];
      if (!this.compareValues(column.name, old, made)) continue;
      isBeyond = true;
      this.example({ ...of(record), row: name, what: column.name, before: old, after: made });
    }
    if (isBeyond) this.rows.changed += 1;
    return isBeyond;
  }

  private compareValues(name: string, before: unknown, after: unknown): boolean {
    const state = this.columns.get(name);
    if (!state) return false;
    state.compared += 1;
    if (canonicalJson(before) === canonicalJson(after)) return false;
    state.differ += 1;
    const apart = distance(before, after);
    const tolerance = this.tolerances[name];
    if (!apart) {
      if (tolerance?.any) return false;
      state.beyond += 1;
      return true;
    }
    const { abs, rel } = apart;
    state.maxAbs = Math.max(state.maxAbs ?? 0, abs);
    state.maxRel = Math.max(state.maxRel ?? 0, rel);
    const bin = bins.findIndex((below) => rel < below);
    const place = bin < 0 ? bins.length : bin;
    state.histogram[place] = (state.histogram[place] ?? 0) + 1;
    const isWithin = tolerance?.any || abs <= (tolerance?.abs ?? -1) || rel <= (tolerance?.rel ?? -1);
    if (!isWithin) state.beyond += 1;
    return !isWithin;
  }

  /** Keeps some of each kind. Once there is no room, an example of a rarer kind replaces the last one of the most frequent kind. */
  private example(example: Example): void {
    if (this.examples.length === mostExamples) {
      const kinds = Map.groupBy(this.examples, ({ what }) => what);
      const [most = []] = [...kinds.values()].sort((one, other) => other.length - one.length);
      const last = most.at(-1);
      if (!last || most.length <= (kinds.get(example.what)?.length ?? 0) + 1) return;
      this.examples.splice(this.examples.indexOf(last), 1);
    }
    this.examples.push(example);
  }
}

function of({ srn }: ComparedRecord) {
  return { record_srn: srn };
}

/**
 * How far apart two numbers are, and as a share of the larger one; undefined unless both are numbers. Integers are subtracted
 * exactly, since different ones may have the same double.
 */
function distance(
  before: unknown,
  after: unknown,
): { readonly abs: number; readonly rel: number } | undefined {
  const [old, made] = [numberOf(before), numberOf(after)];
  if (old === undefined || made === undefined) return undefined;
  const larger = Math.max(Math.abs(old), Math.abs(made));
  const [was, is] = [canonicalJson(before), canonicalJson(after)];
  const isExact = [was, is].every((text) => /^-?\d+$/.test(text));
  const abs = Math.abs(isExact ? Number(BigInt(is) - BigInt(was)) : made - old);
  if (Number.isFinite(abs)) return { abs, rel: abs / larger };
  return { abs: Number.MAX_VALUE, rel: Math.abs(made / larger - old / larger) };
}

/** A number as a double; of a number that no double keeps, the nearest. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return isRawNumber(value) ? Number(canonicalJson(value)) : undefined;
}
