import { keptNumber } from './decimal.ts';
import { parseNativeJson, type Reviver } from './native.ts';

/**
 * Parses JSON that we wrote ourselves, or whose reader checks it, without rounding: a number whose value no double keeps,
 * such as most integers beyond 2^53, becomes raw JSON, which `JSON.stringify` writes out digit by digit.
 */
export function parseExactJson(text: string): unknown {
  // The reviver costs several times the parse, and few texts need it.
  return parseNativeJson(text, /[\d.]{16}/.test(text) ? keepDigits : undefined);
}

const keepDigits: Reviver = (_key, value, { source }) =>
  typeof value !== 'number' || source === undefined || String(value) === source ? value : keptNumber(source);
