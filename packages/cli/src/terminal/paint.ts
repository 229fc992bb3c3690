import { visible } from '@osa/core/text';
import pico from 'picocolors';
import stringWidth from 'string-width';

/**
 * Text on its way to a terminal. Everything is escaped where it is rendered, and colours are put around the result. So
 * no text from a server or a file can act on the terminal or forge a line.
 */
export type Line = string | readonly Piece[];

type Piece = Span | Block;

interface Span {
  readonly text: string;
  readonly style?: Style | undefined;
  /** Shown instead of `text` on a terminal. */
  readonly onTerminal?: string;
}

/** Lines that are laid out where they are shown, since their layout depends on the screen. */
interface Block {
  lay(screen: Screen): readonly Line[];
}

/** The place that text is shown at. */
export interface Screen {
  readonly colours: boolean;
  readonly isTerminal: boolean;
  /** Characters that fit on a line; undefined where lines may be as long as they like. */
  readonly columns: number | undefined;
  /** Whether signs beyond ASCII must be replaced. */
  readonly isAscii: boolean;
}

/** A file, or another program. */
export const pipe: Screen = { colours: false, isTerminal: false, columns: undefined, isAscii: false };

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow';

export const bold = styled('bold');
export const dim = styled('dim');
export const green = styled('green');
export const red = styled('red');
export const yellow = styled('yellow');

/** Puts lines, and whatever else has a text, together: line`live: ${bold('v2')} of ${count}`. */
export function line(literals: TemplateStringsArray, ...values: readonly (Line | number)[]): Line {
  const pieces = literals.flatMap((literal, index) => {
    const value = values[index];
    return [...piecesOf(literal), ...(value === undefined ? [] : piecesOf(value))];
  });
  return pieces.filter((piece) => 'lay' in piece || piece.text !== '');
}

export function joined(parts: readonly Line[], separator: Line): Line {
  return parts.flatMap((part, index) => [...(index === 0 ? [] : piecesOf(separator)), ...piecesOf(part)]);
}

/** `text` for programs and files, `onTerminal` for people. */
export function either(text: string, onTerminal: string): Line {
  return [{ text, onTerminal }];
}

/** Lines that `lay` makes for a screen. Text before them on the line indents them. */
export function block(lay: Block['lay']): Line {
  return [{ lay }];
}

/** The text of `content` on `screen`; of a block, its lines. */
export function render(content: Line, screen: Screen): string {
  const { createColors } = pico;
  const paint = createColors(screen.colours);
  let shown = '';
  let width = 0;
  for (const piece of piecesOf(content)) {
    if ('lay' in piece) {
      const columns = screen.columns === undefined ? undefined : Math.max(1, screen.columns - width);
      const lines = piece.lay({ ...screen, columns });
      shown += lines.map((laid) => render(laid, screen)).join(`\n${' '.repeat(width)}`);
      continue;
    }
    const text = shownText(piece, screen);
    width += lengthOf(text);
    shown += piece.style ? paint[piece.style](text) : text;
  }
  return shown;
}

/** Columns of the terminal; a wide character takes two. */
export function widthOf(content: Line, screen: Screen = pipe): number {
  return spansOf(content).reduce((width, span) => width + lengthOf(shownText(span, screen)), 0);
}

/** `content` in lines of at most `width` columns each, broken at blanks where that is possible. */
export function wrapped(content: Line, width: number, screen: Screen): Line[] {
  const letters = lettersOf(content, screen);
  const lines: Line[] = [];
  for (let from = 0; from < letters.length; ) {
    const end = from + Math.max(1, fitting(letters.slice(from, from + width), width));
    const blank = letters.slice(from, end + 1).findLastIndex(({ text }) => text === ' ');
    const to = end < letters.length && blank > (end - from) / 2 ? from + blank : end;
    lines.push(letters.slice(from, to));
    from = letters[to]?.text === ' ' ? to + 1 : to;
  }
  return lines.length === 0 ? [''] : lines;
}

/** The start of `content` in `width` columns; its last sign is `…` when something was left out. */
export function shortened(content: Line, width: number, screen: Screen): Line {
  if (widthOf(content, screen) <= width) return content;
  const letters = lettersOf(content, screen);
  const sign = lettersOf('…', screen).slice(0, width);
  return [...letters.slice(0, fitting(letters, width - sign.length)), ...sign];
}

/** How many of `letters` fit `width` columns. */
function fitting(letters: readonly Span[], width: number): number {
  let used = 0;
  const over = letters.findIndex(({ text }) => {
    used += lengthOf(text);
    return used > width;
  });
  return over === -1 ? letters.length : over;
}

/** Signs that a terminal without UTF-8 cannot show, as ASCII. */
export function asciiOf(text: string): string {
  return text.replace(/[→←↑↓…’‘“”–—·█░✔✖├└│─]/g, (sign) => asciiSigns[sign] ?? sign);
}

const asciiSigns: Readonly<Record<string, string>> = {
  '→': '->',
  '←': '<-',
  '↑': 'up',
  '↓': 'down',
  '…': '...',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '–': '-',
  '—': '-',
  '·': '|',
  '█': '#',
  '░': '.',
  '✔': 'ok',
  '✖': 'x',
  '├': '+',
  '└': '+',
  '│': '|',
  '─': '-',
};

/** A character as people count them, such as a letter with its accent or an emoji of several code points. */

function shownText({ text, onTerminal }: Span, { isTerminal, isAscii }: Screen): string {
  const shown = visible(isTerminal ? (onTerminal ?? text) : text);
  return isAscii ? asciiOf(shown) : shown;
}

function lettersOf(content: Line, screen: Screen): Span[] {
  return spansOf(content).flatMap((span) =>
    Array.from(new Intl.Segmenter().segment(shownText(span, screen)), ({ segment }) => ({
      text: segment,
      style: span.style,
    })),
  );
}

function lengthOf(text: string): number {
  return isOneColumnEach(text) ? text.length : stringWidth(text);
}

/**
 * Whether each character takes one column: ASCII, European letters, dashes, quotes, arrows, lines and marks, which is all
 * that most output has. The first look at the tables of Unicode takes as long as a request.
 */
export function isOneColumnEach(text: string): boolean {
  return /^[ -~\u00a1-\u00ac\u00ae-\u024f\u2010-\u2015\u2018-\u201f\u2022\u2026\u2190-\u2193\u2500-\u257f\u2713\u2717]*$/.test(
    text,
  );
}

function spansOf(content: Line): Span[] {
  return piecesOf(content).filter((piece) => 'text' in piece);
}

function styled(style: Style): (text: string | number) => Line {
  return (text) => [{ text: String(text), style }];
}

function piecesOf(content: Line | number): readonly Piece[] {
  return typeof content === 'object' ? content : [{ text: String(content) }];
}
