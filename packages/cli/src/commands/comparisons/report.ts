import type { Answer } from '@osa/core/api';
import { visible } from '@osa/core/text';
import { count, counted, value, version } from '../../terminal/format.ts';
import { bold, dim, green, type Line, line, red } from '../../terminal/paint.ts';
import { table } from '../../terminal/table.ts';

export type Comparison = Answer<'showComparison'>;
type Report = NonNullable<Comparison['report']>;
type Column = Report['columns'][number];

/** Whether more records changed than `maxChanged` percent of them. */
export function isBeyond({ records, changed_records }: Report, maxChanged: number | undefined): boolean {
  return maxChanged !== undefined && changed_records * 100 > maxChanged * records;
}

/** `12 of 500 records (2.4 %)`. */
export function changedText({
  records,
  changed_records,
}: Pick<Report, 'records' | 'changed_records'>): string {
  const percent = records === 0 ? 0 : (100 * changed_records) / records;
  return `${count(changed_records)} of ${counted(records, 'record')} (${Number(percent.toPrecision(3))} %)`;
}

export function titleOf({ hook_name, version: made, against }: Comparison): string {
  return `${hook_name}: ${version(made)} compared with ${against === null ? 'the current rows' : version(against)}`;
}

export function reportLines(comparison: Comparison, report: Report, maxChanged: number | undefined): Line[] {
  const { outcomes, rows, columns, examples } = report;
  const colour = isBeyond(report, maxChanged) ? red : report.changed_records === 0 ? green : bold;
  const limit = maxChanged === undefined ? '' : `, at most ${maxChanged} % allowed`;
  const changed = columns.filter(({ differ }) => differ > 0);
  return [
    line`${bold(titleOf(comparison))}`,
    line`changed: ${colour(changedText(report))}${limit}`,
    ...outcomes
      .filter(({ from, to }) => from !== to)
      .map(({ from, to, records }) => line`  ${from} → ${to}: ${counted(records, 'record')}`),
    `rows: ${count(rows.before)} before, ${count(rows.after)} after; ${count(rows.changed)} changed, ${count(rows.added)} added, ${count(rows.removed)} removed`,
    ...(changed.length === 0
      ? []
      : table(['column', 'differ', 'beyond', 'largest', 'relative', 'how much'], changed.map(columnCells))),
    ...(examples.length === 0
      ? []
      : ['', ...table(['row', 'what', 'before', 'after'], examples.map(exampleCells))]),
    ...(report.shows_values
      ? []
      : [dim('examples and largest differences are shown with the scope runs:read')]),
  ];
}

function columnCells({ name, compared, differ, beyond, max_abs, max_rel, histogram }: Column) {
  return [
    name,
    `${count(differ)} of ${count(compared)}`,
    count(beyond),
    max_abs === null ? null : value(roundedUp(max_abs), 'number'),
    max_rel === null ? null : `${value(roundedUp(100 * max_rel), 'number')} %`,
    max_abs === null ? null : bars(histogram),
  ];
}

/** Three digits that are not less than `size`, so that they serve as the tolerance. */
function roundedUp(size: number): number {
  const near = Number(size.toPrecision(3));
  if (near >= size) return near;
  const [digits = '', exponent = '0'] = near.toExponential(2).split('e');
  return Number(`${Number(digits.replace('.', '')) + 1}e${Number(exponent) - 2}`);
}

const heights = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** One bar for each size of difference, from below 1e-12 to beyond the value itself. */
export function bars(histogram: Column['histogram']): string {
  const most = Math.max(1, ...histogram.map((bin) => bin.count));
  return histogram
    .map((bin) => heights[bin.count === 0 ? 0 : Math.max(1, Math.round((8 * bin.count) / most))] ?? '█')
    .join('');
}

function exampleCells({ record_srn, row, what, before, after }: Report['examples'][number]) {
  return [row ?? record_srn, what, value(before), value(after)];
}

/** The same for the summary of a job. */
export function reportMarkdown(
  comparison: Comparison,
  report: Report,
  maxChanged: number | undefined,
): string {
  const { outcomes, rows, columns, examples } = report;
  const verdict = isBeyond(report, maxChanged) ? `more than ${maxChanged} % changed` : 'within the limits';
  const moved = outcomes.filter(({ from, to }) => from !== to);
  const changed = columns.filter(({ differ }) => differ > 0);
  return [
    `### ${cell(titleOf(comparison))}`,
    '',
    `${cell(changedText(report))} changed${maxChanged === undefined ? '' : `: ${verdict}`}. ` +
      `Rows: ${rows.before} before, ${rows.after} after; ${rows.changed} changed, ${rows.added} added, ${rows.removed} removed.`,
    '',
    ...moved.map(({ from, to, records }) => `- ${from} → ${to}: ${records}`),
    ...(changed.length === 0
      ? []
      : markdownTable(
          ['column', 'differ', 'beyond', 'largest', 'relative', 'how much'],
          changed.map((column) => columnCells(column).map((part) => String(part ?? '-'))),
        )),
    ...(examples.length === 0
      ? []
      : markdownTable(
          ['row', 'what', 'before', 'after'],
          examples.map((example) => exampleCells(example)),
        )),
    '',
  ].join('\n');
}

function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lineOf = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return ['', lineOf(heads), `|${heads.map(() => '---').join('|')}|`, ...rows.map(lineOf)];
}

/** Escapes text of a hook, so that it cannot act as markup. */
function cell(text: string): string {
  return visible(text)
    .replaceAll(/[\\`*_{}[\]<>#|~@]/g, (sign) => `\\${sign}`)
    .slice(0, 300);
}
