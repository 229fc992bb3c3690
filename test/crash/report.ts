import type { Point } from './control.ts';
import type { Fault } from './faults.ts';
import type { RunResult } from './run.ts';

/** One line for a run. */
export function runLine({
  seed,
  injected,
  violations,
  rows,
  batches,
  recoveryMs,
  tookMs,
}: RunResult): string {
  const faults =
    injected.map(({ action, point }) => (point ? `${action}@${point}` : action)).join(' ') || 'no fault';
  const verdict = violations.length === 0 ? 'ok' : `${violations.length} VIOLATIONS`;
  const numbers = `${batches} batches, ${rows} rows, recovered in ${recoveryMs} ms, took ${tookMs} ms`;
  return `seed ${seed}: ${verdict} · ${faults} · ${numbers}`;
}

export function violationLines({ seed, violations, directory }: RunResult): string[] {
  if (violations.length === 0) return [];
  const lines = violations.slice(0, 20).map(({ invariant, kind, what }) => `  ${invariant} ${kind}: ${what}`);
  return [`seed ${seed} broke ${violations.length} (logs in ${directory}):`, ...lines];
}

/** The result of all runs. */
export function summary(
  results: readonly RunResult[],
  pairs: readonly Fault[],
  skipped: readonly string[],
): string[] {
  const violations = results.flatMap((result) => result.violations);
  const ofKind = (kind: string) => violations.filter((violation) => violation.kind === kind).length;
  const injected = results.flatMap((result) => result.injected);
  const byAction = Object.entries(Object.groupBy(injected, ({ action }) => action))
    .map(([action, all]) => `${action} ${all?.length ?? 0}`)
    .sort();
  const points = new Set(pairs.map(({ point }) => point));
  const hit = new Set(injected.flatMap(({ point }) => (point ? [point] : []))).intersection(points);
  const passed = new Set(results.flatMap(({ passed: all }) => [...all.keys()])).intersection(points);
  const missing = (seen: ReadonlySet<Point>) => [...points].filter((point) => !seen.has(point));
  const done = new Set(injected.map(({ point, action }) => `${point} ${action}`));
  const slowest = results.toSorted((a, b) => b.recoveryMs - a.recoveryMs)[0];
  const broken = results.filter((result) => result.violations.length > 0).map(({ seed }) => seed);
  return [
    `runs                 ${results.length}`,
    `faults               ${injected.length}: ${byAction.join(', ')}`,
    `points passed        ${passed.size} of ${points.size}${named(missing(passed))}`,
    `points with a fault  ${hit.size} of ${points.size}${named(missing(hit))}`,
    `pairs of both        ${pairs.filter(({ point, action }) => done.has(`${point} ${action}`)).length} of ${pairs.length}`,
    `batches              ${results.reduce((sum, { batches }) => sum + batches, 0)}`,
    `rows checked         ${results.reduce((sum, { rows }) => sum + rows, 0)}`,
    `misattributed        ${ofKind('misattributed')}`,
    `lost                 ${ofKind('lost')}`,
    `duplicated           ${ofKind('duplicated')}`,
    `left over            ${ofKind('left over')}`,
    `other violations     ${ofKind('other')}`,
    `slowest recovery     ${slowest?.recoveryMs ?? 0} ms${slowest ? ` (seed ${slowest.seed})` : ''}`,
    ...(skipped.length > 0 ? [`skipped              ${skipped.join(', ')}`] : []),
    ...(broken.length > 0 ? [`broken by the seeds  ${broken.join(', ')}`] : []),
  ];
}

function named(points: readonly Point[]): string {
  return points.length === 0 ? '' : ` (not ${points.join(', ')})`;
}
