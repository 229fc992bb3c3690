/**
 * `value` as it may stand in a message: JSON, cut to `length` code points, with everything escaped that could act
 * on a terminal or hide text: control characters, lone surrogates, direction marks, line separators.
 */
export function excerpt(value: unknown, length = 80): string {
  const json = typeof value === 'string' ? JSON.stringify(cut(value, length + 1)) : JSON.stringify(value);
  return cut(escapeInvisible(json ?? typeof value), length);
}

/** As `excerpt`, for text that is shown without quotes, such as a piece of JSON source. */
export function excerptOfSource(source: string, length = 80): string {
  const json = JSON.stringify(cut(source, length + 1));
  return cut(escapeInvisible(json.slice(1, -1).replaceAll('\\"', '"')), length);
}

/** The first `length` code points of `text`, the last of them `…` when something was left out. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const points = Array.from(text.slice(0, length * 2 + 2));
  if (points.length <= length) return text;
  return `${points.slice(0, length - 1).join('')}…`;
}

/** `text` with everything escaped that could act on a terminal, hide text, or end a line. */
export function visible(text: string): string {
  return escapeInvisible(text.toWellFormed().replaceAll(/\p{Cc}/gu, escaped));
}

function escapeInvisible(text: string): string {
  return text.replace(/[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
