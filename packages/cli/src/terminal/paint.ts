import pico from 'picocolors';

/**
 * Text on its way to a terminal. Everything is escaped where it is rendered, whoever wrote it, and colours are put
 * around what is escaped: no text from a server or a file can act on the terminal or forge a line.
 */
export type Line = string | readonly Piece[];

interface Piece {
  readonly text: string;
  readonly style: Style | undefined;
}

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
  return pieces.filter(({ text }) => text !== '');
}

export function joined(parts: readonly Line[], separator: Line): Line {
  return parts.flatMap((part, index) => [...(index === 0 ? [] : piecesOf(separator)), ...piecesOf(part)]);
}

export function render(content: Line, colours: boolean): string {
  const { createColors } = pico;
  const paint = createColors(colours);
  return piecesOf(content)
    .map(({ text, style }) => (style ? paint[style](printable(text)) : printable(text)))
    .join('');
}

/** Code points as they are shown; wide characters are counted as one. */
export function widthOf(content: Line): number {
  return piecesOf(content).reduce((width, { text }) => width + Array.from(printable(text)).length, 0);
}

/**
 * `text` with everything escaped that could act on a terminal, hide text or end a line: control characters,
 * direction marks, zero-width characters, line separators.
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(unprintable, (character) => {
    const code = character.charCodeAt(0);
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be escaped.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function styled(style: Style): (text: string | number) => Line {
  return (text) => [{ text: String(text), style }];
}

function piecesOf(content: Line | number): readonly Piece[] {
  return typeof content === 'object' ? content : [{ text: String(content), style: undefined }];
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
