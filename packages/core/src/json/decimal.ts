import { isRawNumber, type RawNumber, rawNumber } from './raw.ts';

/**
 * A number keeps its decimal value and has one spelling. It is that of RFC 8785 where the shortest form of the nearest
 * double has exactly this value, else all of its digits. These are written plainly, except that zeros beyond the digits
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
  if (text.length <= alwaysKept && !exponentMark.test(text)) return value;
  const shortest = shortestForm(text);
  if (shortest === text || sameValue(shortest, text)) return value;
  return rawNumber(spellDigits(decimalOf(text)));
}

/** The JSON text `json` with each of its numbers spelled as `spellNumber` does; all else stays as it is. */
export function spellNumbers(json: string): string {
  if (!mayNeedSpelling.test(json)) return json;
  return json.replace(stringOrNumber, (token) => (token.startsWith('"') ? token : spellNumber(token)));
}

/** How many characters `text`, a JSON number, takes without an exponent, which is how PostgreSQL writes a numeric. */
export function plainLength(text: string): number {
  const { sign, digits, exponent } = decimalOf(text);
  const minus = sign < 0 ? 1 : 0;
  if (exponent >= 0) return minus + Math.max(1, digits.length + exponent);
  const point = digits.length + exponent;
  return minus + (point > 0 ? digits.length + 1 : 2 - point + digits.length);
}

/** The order of two numbers by their decimal values: negative, 0 or positive. */
export function compareNumbers(left: number | RawNumber, right: number | RawNumber): number {
  if (typeof left === 'number' && typeof right === 'number') return left < right ? -1 : Number(left > right);
  const [a, b] = [left, right].map((number) => decimalOf(textOf(number))) as [Decimal, Decimal];
  if (a.sign !== b.sign) return a.sign - b.sign;
  return a.sign * compareSizes(a, b);
}

/** Whether the number's decimal value has no fraction. */
export function isInteger(number: number | RawNumber): boolean {
  return isRawNumber(number) ? decimalOf(number.rawJSON).exponent >= 0 : Number.isInteger(number);
}

const textOf = (number: number | RawNumber) => (isRawNumber(number) ? number.rawJSON : String(number));

function compareSizes(a: Decimal, b: Decimal): number {
  const places = a.digits.length + a.exponent - (b.digits.length + b.exponent);
  if (places !== 0) return places;
  return a.digits < b.digits ? -1 : Number(a.digits > b.digits);
}

/** A number that is spelled in another way has many digits, a zero at an end, or an exponent. */
const mayNeedSpelling = /\d{16}|\.\d{6}|\d0(?![\d.])|\.0|-0|\d[eE]/;

/** So many characters hold at most 15 digits, which a double always keeps. */
const alwaysKept = 15;
const exponentMark = /[eE]/;
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

/** The nearest double as RFC 8785 writes it; `-0` is 0. */
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
