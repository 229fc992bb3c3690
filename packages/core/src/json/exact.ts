import { parseNativeJson, type Reviver } from './native.ts';

/**
 * Parses JSON that we wrote ourselves, or whose reader checks it, without rounding: a decimal that a double does not print
 * again digit by digit, such as an integer beyond 2^53, stays as it stands in the text, as raw JSON that
 * `JSON.stringify` writes out unchanged.
 */
export function parseExactJson(text: string): unknown {
  // The reviver costs several times the parse, and few texts need it.
  return parseNativeJson(text, /[\d.]{16}/.test(text) ? keepDigits : undefined);
}

const keepDigits: Reviver = (_key, value, { source }) => {
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
  return /^-?\d+(\.\d+)?$/.test(source) && /\d{16}/.test(source.replace('.', '')) ? rawJSON(source) : value;
};

// TypeScript's library does not know raw JSON yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };
