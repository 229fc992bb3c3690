import { asOsaError } from '../error.ts';
import { JsonCursor } from './cursor.ts';

/**
 * Parses JSON that we wrote ourselves, or whose reader checks it, without rounding. A number whose value no double
 * keeps, such as most integers beyond 2^53, becomes raw JSON: `JSON.stringify` writes it digit by digit.
 *
 * Nearly all texts are read by `JSON.parse`. The others have a number that it may round, or a backslash. Once it has
 * met a key `\`, V8 reads other keys that begin with an escape, such as `"\""`, as that one (nodejs/node#63785; in the
 * Node that we pin, and the newest).
 *
 * @throws SyntaxError
 */
export function parseExactJson(text: string): unknown {
  if (!needsOwnReader.test(text) || keepsItsNumbers(text)) return JSON.parse(text);
  try {
    const cursor = new JsonCursor(text, { numbers: 'kept', trusted: true, maxDepth });
    const value = cursor.value();
    cursor.end();
    return value;
  } catch (error) {
    const flaw = asOsaError(error);
    throw flaw ? new SyntaxError(flaw.message, { cause: error }) : error;
  }
}

/** Whether every long number is written as its double is, as PostgreSQL writes most doubles. Digits in strings count too. */
function keepsItsNumbers(text: string): boolean {
  if (text.includes('\\') || tinyNumber.test(text)) return false;
  for (const [number] of text.matchAll(longNumber)) {
    if (String(Number(number)) !== number) return false;
  }
  return true;
}

/** A backslash, a number of 16 characters, or one so small that a double keeps few of its digits. */
const needsOwnReader = /\\|[\d.]{16}|\d[eE]-\d{3}/;
const tinyNumber = /\d[eE]-\d{3}/;
const longNumber = /[\d.]{16,}(?:[eE][+-]?\d+)?/g;
const maxDepth = 900;
