/**
 * `value` as it may stand in a message: JSON, cut to `length` code points, with everything escaped that could act
 * on a terminal or hide text: control characters, lone surrogates, direction marks, line separators.
 */
export function excerpt(value: unknown, length = 80): string {
  const json = typeof value === 'string' ? JSON.stringify(cut(value, length + 1)) : JSON.stringify(value);
  return cut(escapeInvisible(json ?? typeof value), length);
}

/** The excerpt of a text that is shown without quotes, such as a piece of JSON source. */
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
  return escapeInvisible(text.toWellFormed().replace(/[\n\t]/g, (end) => (end === '\n' ? '\\n' : '\\t')));
}

/** Makes JSON `visible`: its lines stay lines, and escaped characters read back as they were. */
export function visibleJson(json: string): string {
  return json.split('\n').map(escapeInvisible).join('\n');
}

/**
 * Control characters, separators of lines, and what is shown as nothing: direction marks, fillers, tags, zero-width
 * characters. One variation selector after a visible character is a part of it, as in many emoji.
 */
const invisible =
  /[\p{Cc}\p{Zl}\p{Zp}\u2800\ufff9-\ufffb]|(?![\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}|(?<=^|\p{Default_Ignorable_Code_Point})[\ufe0e\ufe0f]/gu;

function escapeInvisible(text: string): string {
  return text.replace(invisible, escaped);
}

/** The spelling of JSON: a character beyond U+FFFF is a pair. */
function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    const code = character.charCodeAt(index);
    return `\\u${code.toString(16).padStart(4, '0')}`;
  }).join('');
}
