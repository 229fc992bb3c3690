/** One benchmark's answer: ours beside the limit that it is held against, both measured in the same run, in turn. */
export interface Result {
  readonly name: string;
  /** The work that was done, and how much of it. */
  readonly what: string;
  /** The work that is taken as the most that is possible. */
  readonly limit: string;
  readonly unit: string;
  /** Each measurement, in `unit`. */
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  readonly target: Target;
  /** Facts that help to read the numbers, a line each. */
  readonly notes: readonly string[];
}

/** A bound on ours ÷ limit. */
export interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Options {
  /** Less data and fewer rounds: shows that the benchmark works, and the ratio roughly. */
  readonly quick: boolean;
  /** Told, in a line each, what is under way. */
  readonly log: (line: string) => void;
  /** Aborted when the program is to stop; looked at between rounds, so that the database goes away with it. */
  readonly signal: AbortSignal;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** By linear interpolation between the two nearest values; `q` from 0 to 1. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('no values were measured');
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** How far the middle half of the values reaches, as a share of their median. */
function spread(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

/** The time that `work` takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Measures both sides `rounds` times, in turn, after one round that fills caches and does not count. */
export async function inTurn(
  rounds: number,
  { signal }: Pick<Options, 'signal'>,
  sides: { readonly ours: () => Promise<unknown>; readonly theirs: () => Promise<unknown> },
): Promise<{ readonly ours: number[]; readonly theirs: number[] }> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    signal.throwIfAborted();
    const pair = { ours: await timed(sides.ours), theirs: await timed(sides.theirs) };
    if (round === 0) continue;
    ours.push(pair.ours);
    theirs.push(pair.theirs);
  }
  return { ours, theirs };
}

export function ratio({ ours, theirs }: Result): number {
  return median(ours) / median(theirs);
}

export function isMet(result: Result): boolean {
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = result.target;
  return ratio(result) >= atLeast && ratio(result) <= atMost;
}

export function describe(result: Result): string {
  const { unit, ours, theirs } = result;
  const lines = [
    `  what     ${result.what}`,
    `  limit    ${result.limit}`,
    `  medians  ${number(median(ours))} ${unit} against ${number(median(theirs))} ${unit}`,
    `  spread   ${percent(spread(ours))} and ${percent(spread(theirs))} of ${ours.length} and ${theirs.length} measurements`,
    `  ratio    ${ratio(result).toFixed(2)}, target ${targetText(result)}: ${verdict(result)}`,
    ...result.notes.map((note) => `           ${note}`),
  ];
  return lines.join('\n');
}

export function table(results: readonly Result[]): string {
  const head = ['benchmark', 'ours', 'limit', 'unit', 'spread', 'ratio', 'target', ''];
  const rows = results.map((result) => [
    result.name,
    number(median(result.ours)),
    number(median(result.theirs)),
    result.unit,
    `${percent(spread(result.ours))}, ${percent(spread(result.theirs))}`,
    ratio(result).toFixed(2),
    targetText(result),
    verdict(result),
  ]);
  const widths = head.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A result as `--json` prints it. */
export function summary(result: Result) {
  const { name, what, limit, unit, ours, theirs, target, notes } = result;
  const side = (values: readonly number[]) => ({
    median: median(values),
    spread: spread(values),
    count: values.length,
  });
  return {
    name,
    what,
    limit,
    unit,
    ours: side(ours),
    theirs: side(theirs),
    ratio: ratio(result),
    target,
    met: isMet(result),
    notes,
  };
}

function verdict(result: Result): string {
  return isMet(result) ? 'met' : 'missed';
}

function targetText({ target }: Result): string {
  return target.atLeast === undefined ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function number(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}
