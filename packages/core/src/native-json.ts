/**
 * `JSON.parse`, without a defect of V8 (nodejs/node#63785; in the Node that we pin, and the newest): once it has met a
 * key `\`, it reads other keys that begin with an escape, such as `"\""`, as that one. Keys with escapes are therefore
 * read one by one, outside of their objects. Texts without a backslash, which are nearly all, cost nothing more.
 *
 * What comes from outside goes through `parseJson`, which shares none of this.
 *
 * @throws SyntaxError
 */
export function parseNativeJson(text: string, reviver?: Reviver): unknown {
  if (!text.includes('\\')) return parse(text, reviver);
  const mark = unusedMark(text);
  const names: string[] = [];
  const renamed = text.replace(anyString, (whole: string, colon: string | undefined) => {
    if (colon === undefined || !whole.includes('\\')) return whole;
    const name = JSON.parse(whole.slice(0, -colon.length)) as string;
    return `"${mark}${names.push(name) - 1}"${colon}`;
  });
  const value = parse(renamed, reviver);
  return names.length === 0 ? value : withNames(value, (key) => nameOf(key, mark, names));
}

export type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** Every string of a text, with the colon behind it if it is a key. */
const anyString = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g;

/** A start that no key of `text` has: a character of private use, as often as it takes. */
function unusedMark(text: string): string {
  let mark = '\ue000';
  while (text.includes(mark)) mark += '\ue000';
  return mark;
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
