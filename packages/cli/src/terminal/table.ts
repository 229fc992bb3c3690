import { cut } from '@osa/core/text';
import { count } from './format.ts';
import { block, dim, either, type Line, line, type Screen, shortened, widthOf, wrapped } from './paint.ts';

/** A cell of text is cut here where nothing else limits it, so that the columns after it stay in sight. */
const longestCell = 60;
/** Columns are cut down to this, and not further. */
const narrowest = 6;
/** The last column goes on below itself when it can have this much. */
const leastToWrap = 16;

/**
 * Rows in aligned columns, two spaces apart. Columns that hold numbers only are aligned to the right. On a terminal the
 * table is as wide as the terminal. Ids become the shortest prefixes that differ, and the widest columns are cut. The
 * last column goes on below itself, so it is the place for reasons. The names of rows are never cut, since other
 * commands take them.
 */
export function table(heads: readonly string[], rows: readonly (readonly Cell[])[]): Line[] {
  const last = heads.length - 1;
  const cells = rows.map((row) => row.map((cell, index) => toLine(cell, index === last)));
  const numeric = heads.map(
    (_, index) => rows.length > 0 && rows.every((row) => typeof row[index] === 'number'),
  );
  const headLines = heads.map((head) => dim(head));
  return [
    block((screen) => {
      const all = [headLines, ...cells];
      const isTooWide = screen.columns !== undefined && widthsOf(all, screen).total > screen.columns;
      const shown = isTooWide ? withShortIds(all) : all;
      const whole = heads.map((_, index) => shown.some((row) => isName(row[index] ?? '')));
      const widths = fitted(widthsOf(shown, screen).columns, whole, screen.columns);
      return shown.flatMap((row) => laidRow(row, { widths, numeric, whole, screen }));
    }),
  ];
}

function widthsOf(rows: readonly (readonly Line[])[], screen: Screen) {
  const columns = (rows[0] ?? []).map((_, index) =>
    Math.max(...rows.map((row) => widthOf(row[index] ?? '', screen))),
  );
  return { columns, total: columns.reduce((sum, width) => sum + width, 2 * (columns.length - 1)) };
}

/** Where a column has ids, each is cut to the prefix that tells it from the others of the column. */
function withShortIds(rows: readonly (readonly Line[])[]): readonly (readonly Line[])[] {
  const lengths = (rows[0] ?? []).map((_, index) => {
    const ids = rows.map((row) => textOf(row[index] ?? '')).filter((text) => uuid.test(text));
    return prefixLength([...new Set(ids)]);
  });
  return rows.map((row) =>
    row.map((cell, index) => (uuid.test(textOf(cell)) ? textOf(cell).slice(0, lengths[index]) : cell)),
  );
}

/** The first 13 characters of an id are its time in milliseconds. */
function prefixLength(ids: readonly string[]): number {
  for (let length = 13; length < 36; length++) {
    if (new Set(ids.map((id) => id.slice(0, length))).size === ids.length) return length;
  }
  return 36;
}

export type Cell = Line | number | null;

interface Layout {
  readonly widths: readonly number[];
  readonly numeric: readonly boolean[];
  readonly whole: readonly boolean[];
  readonly screen: Screen;
}

function laidRow(row: readonly Line[], { widths, numeric, whole, screen }: Layout): Line[] {
  const last = widths.length - 1;
  const parts = widths.map((width, index) => {
    const cell = row[index] ?? '';
    if (widthOf(cell, screen) <= width || whole[index]) return [cell];
    return index === last && width >= leastToWrap
      ? wrapped(cell, width, screen)
      : [shortened(cell, width, screen)];
  });
  const height = Math.max(1, ...parts.map((part) => part.length));
  return Array.from({ length: height }, (_, below) =>
    widths.reduce<Line>((laid, width, index) => {
      const cell = parts[index]?.[below] ?? '';
      const space = ' '.repeat(Math.max(0, width - widthOf(cell, screen)));
      const gap = index === 0 ? '' : '  ';
      if (numeric[index]) return line`${laid}${gap}${space}${cell}`;
      return line`${laid}${gap}${cell}${index === last ? '' : space}`;
    }, ''),
  );
}

/** The widths of the columns where `columns` is all there is: the widest ones give way first. */
function fitted(
  natural: readonly number[],
  whole: readonly boolean[],
  columns: number | undefined,
): readonly number[] {
  if (columns === undefined) return natural;
  const gaps = 2 * (natural.length - 1);
  const at = (most: number) => natural.map((width, index) => (whole[index] ? width : Math.min(width, most)));
  for (let most = Math.max(...natural); most > narrowest; most--) {
    const widths = at(most);
    const used = widths.reduce((sum, width) => sum + width, gaps);
    if (used <= columns) return withRest(widths, natural, columns - used);
  }
  return at(narrowest);
}

/** The rest of the space goes to the first column that was cut. */
function withRest(widths: readonly number[], natural: readonly number[], rest: number): number[] {
  const first = widths.findIndex((width, index) => width < (natural[index] ?? 0));
  return widths.map((width, index) =>
    index === first ? Math.min(natural[index] ?? 0, width + rest) : width,
  );
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** An id or its prefix, or a row such as `density/17`. */
function isName(cell: Line): boolean {
  return /^(?:[0-9a-f]{8}-[0-9a-f]{4}[0-9a-f-]*|[a-z]\w*\/\d+)$/.test(textOf(cell));
}

function textOf(cell: Line): string {
  return typeof cell === 'string' ? cell : cell.map((piece) => ('text' in piece ? piece.text : '')).join('');
}

/** Names and values, indented by two, the values aligned: as in other lists of the same `leastWidth`. */
export function pairs(entries: readonly (readonly [name: string, value: Line])[], leastWidth = 0): Line[] {
  const width = Math.max(leastWidth, ...entries.map(([name]) => widthOf(name)));
  return entries.map(([name, value]) => line`  ${dim(name)}${' '.repeat(width - widthOf(name))}  ${value}`);
}

function toLine(cell: Cell, isLast: boolean): Line {
  if (cell === null) return dim('-');
  if (typeof cell === 'number') return either(String(cell), count(cell));
  return typeof cell === 'string' && !isLast ? cut(cell, longestCell) : cell;
}
