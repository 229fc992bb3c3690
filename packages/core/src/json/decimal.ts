import { type RawNumber, rawNumber } from './raw.ts';

/**
 * A number keeps its decimal value and has one spelling: that of RFC 8785 where the shortest form of the nearest double
 * has exactly this value, else all of its digits. These are written plainly, except that zeros beyond the digits
 * (more than 20 before the point, more than 6 behind it) become an exponent.
 */

/** How `text`, a JSON number, is spelled. */
export function spellNumber(text: string): string {
  const shortest = shortestForm(text);
  return shortest === text || sameValue(shortest, text) ? shortest : spellDigits(decimalOf(text));
}

/** The number that `text`, a JSON number, writes down: a double where that keeps its value, else its digits. */
export function keptNumber(text: string): number | RawNumber {
  const value = Number(text);
  const shortest = shortestForm(text);
  if (shortest === text || sameValue(shortest, text)) return value;
  return rawNumber(spellDigits(decimalOf(text)));
}

/** The JSON text `json` with each of its numbers spelled as `spellNumber` does; all else stays as it is. */
export function spellNumbers(json: string): string {
  if (!mayNeedSpelling.test(json)) return json;
  return json.replace(stringOrNumber, (token) => (token.startsWith('"') ? token : spellNumber(token)));
}

/** PostgreSQL writes exponents out; only we write them. */
const mayNeedSpelling = /\d{16}|\.\d{6}|\d0[^\d.]|\.0|-0|\d[eE]/;
const stringOrNumber = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;
const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** sign × digits × 10^exponent; the digits have no zero at either end. */
interface Decimal {
  readonly sign: -1 | 0 | 1;
  readonly digits: string;
  readonly exponent: number;
}

function decimalOf(text: string): Decimal {
  const [, minus, whole = '', fraction = '', exponent = '0'] = parts.exec(text) ?? [];
  const written = (whole + fraction).replace(/^0+/, '');
  let end = written.length;
  while (written.charAt(end - 1) === '0') end--;
  if (end === 0) return { sign: 0, digits: '', exponent: 0 };
  const zeros = written.length - end;
  return {
    sign: minus ? -1 : 1,
    digits: written.slice(0, end),
    exponent: Number(exponent) - fraction.length + zeros,
  };
}

/** As RFC 8785 writes the nearest double; `-0` is 0. */
function shortestForm(text: string): string {
  return String(Number(text));
}

/** Whether two JSON numbers have the same decimal value; `Infinity` is the value of none. */
export function sameValue(a: string, b: string): boolean {
  if (a === 'Infinity' || a === '-Infinity') return false;
  const [left, right] = [decimalOf(a), decimalOf(b)];
  return left.sign === right.sign && left.digits === right.digits && left.exponent === right.exponent;
}

function spellDigits({ sign, digits, exponent }: Decimal): string {
  const minus = sign < 0 ? '-' : '';
  const point = digits.length + exponent;
  if (exponent >= 0 && exponent <= 20) return `${minus}${digits}${'0'.repeat(exponent)}`;
  if (exponent < 0 && point > 0) return `${minus}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (exponent < 0 && point > -6) return `${minus}0.${'0'.repeat(-point)}${digits}`;
  const power = point - 1;
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${minus}${digits.charAt(0)}${fraction}e${power < 0 ? '' : '+'}${power}`;
}
