import { randomUUID } from 'node:crypto';

/**
 * `JSON.parse`, without a defect of V8 (nodejs/node#63785; in the Node that we pin, and the newest): once it has met a
 * key `\`, it reads other keys that begin with an escape, such as `"\""`, as that one. Keys with escapes are therefore
 * read one by one, outside of their objects. Texts without a backslash, which are nearly all, cost nothing more.
 *
 * What comes from outside goes through `parseJson`, which shares none of this and refuses keys that stand twice; here no
 * object may have one.
 *
 * @throws SyntaxError
 */
export function parseNativeJson(text: string, reviver?: Reviver): unknown {
  if (!text.includes('\\')) return parse(text, reviver);
  const mark = unusedMark(text);
  const { renamed, names } = rename(text, mark);
  const value = parse(renamed, reviver);
  return names.length === 0 ? value : withNames(value, (key) => nameOf(key, mark, names));
}

export type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** A start that no key of `text` has, and that nobody could have foreseen. */
function unusedMark(text: string): string {
  for (;;) {
    const mark = randomUUID();
    if (!text.includes(mark)) return mark;
  }
}

/** Gives keys with escapes other names. Each character is looked at a few times at most, whatever the text. */
function rename(text: string, mark: string): { renamed: string; names: readonly string[] } {
  const names: string[] = [];
  const pieces: string[] = [];
  let copied = 0;
  let backslash = text.indexOf('\\');
  for (let start = text.indexOf('"'); start !== -1 && backslash !== -1; ) {
    const end = endOfString(text, start);
    if (end === -1) break;
    if (backslash < end && isFollowedByColon(text, end)) {
      pieces.push(text.slice(copied, start), `"${mark}${names.length}"`);
      names.push(JSON.parse(text.slice(start, end)) as string);
      copied = end;
    }
    if (backslash < end) backslash = text.indexOf('\\', end);
    start = text.indexOf('"', end);
  }
  return { renamed: pieces.join('') + text.slice(copied), names };
}

/** Where the string that begins at `start` is over; -1 if it never is. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (text[before - 1] === '\\') before -= 1;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
  return -1;
}

function isFollowedByColon(text: string, end: number): boolean {
  let at = end;
  while (/[ \t\n\r]/.test(text.charAt(at))) at += 1;
  return text[at] === ':';
}

function nameOf(key: string, mark: string, names: readonly string[]): string {
  return key.startsWith(mark) ? (names[Number(key.slice(mark.length))] ?? key) : key;
}

/** Objects are made anew, so that their members keep their order. */
function withNames(value: unknown, name: (key: string) => string): unknown {
  if (typeof value !== 'object' || value === null || isRawJSON(value)) return value;
  if (Array.isArray(value)) return value.map((item) => withNames(item, name));
  const result = {};
  for (const [key, item] of Object.entries(value)) {
    // Not assigned: a key `__proto__` is a member like any other.
    Object.defineProperty(result, name(key), { ...ownMember, value: withNames(item, name) });
  }
  return result;
}

const ownMember = { configurable: true, enumerable: true, writable: true } as const;

// TypeScript's library does not know these parts of the language yet: a reviver's context, and raw JSON.
const { parse, isRawJSON } = JSON as unknown as {
  parse(text: string, reviver?: Reviver): unknown;
  isRawJSON(value: unknown): boolean;
};
