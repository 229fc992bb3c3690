import { cut } from '@osa/core/text';
import { count } from './format.ts';
import { dim, type Line, line, widthOf } from './paint.ts';

const longestCell = 60;

/**
 * Rows in aligned columns, two spaces apart. Columns that hold numbers only are aligned to the right. Text is cut, so that
 * the columns after it stay in sight; in the last column it runs on, which is the place for reasons.
 */
export function table(heads: readonly string[], rows: readonly (readonly Cell[])[]): Line[] {
  const cells = rows.map((row) => row.map((cell, index) => toLine(cell, index === heads.length - 1)));
  const columns = heads.map((head, index) => ({
    head,
    width: Math.max(widthOf(head), ...cells.map((row) => widthOf(row[index] ?? ''))),
    right: rows.length > 0 && rows.every((row) => typeof row[index] === 'number'),
  }));
  const lay = (row: readonly Line[]): Line =>
    columns.reduce<Line>((laid, { width, right }, index) => {
      const cell = row[index] ?? '';
      const space = ' '.repeat(width - widthOf(cell));
      const gap = index === 0 ? '' : '  ';
      const isLast = index === columns.length - 1;
      return right ? line`${laid}${gap}${space}${cell}` : line`${laid}${gap}${cell}${isLast ? '' : space}`;
    }, '');
  return [lay(heads.map((head) => dim(head))), ...cells.map(lay)];
}

export type Cell = Line | number | null;

/** Names and values, indented by two, the values aligned: as in other lists of the same `leastWidth`. */
export function pairs(entries: readonly (readonly [name: string, value: Line])[], leastWidth = 0): Line[] {
  const width = Math.max(leastWidth, ...entries.map(([name]) => widthOf(name)));
  return entries.map(([name, value]) => line`  ${dim(name)}${' '.repeat(width - widthOf(name))}  ${value}`);
}

function toLine(cell: Cell, isLast: boolean): Line {
  if (cell === null) return dim('-');
  if (typeof cell === 'number') return count(cell);
  return typeof cell === 'string' && !isLast ? cut(cell, longestCell) : cell;
}
