/**
 * Parses JSON that we wrote ourselves, or whose reader checks it, without rounding: a decimal that a double does not print
 * again digit by digit, such as an integer beyond 2^53, stays as it stands in the text, as raw JSON that
 * `JSON.stringify` writes out unchanged.
 */
export function parseExactJson(text: string): unknown {
  // The reviver costs several times the parse, and few texts need it.
  return /[\d.]{16}/.test(text) ? parse(text, keepDigits) : JSON.parse(text);
}

function keepDigits(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
  return /^-?\d+(\.\d+)?$/.test(source) && /\d{16}/.test(source.replace('.', '')) ? rawJSON(source) : value;
}

// TypeScript's library does not know these parts of the language yet: a reviver's context, and raw JSON.
const { parse, rawJSON } = JSON as unknown as {
  parse(text: string, reviver: typeof keepDigits): unknown;
  rawJSON(text: string): object;
};
