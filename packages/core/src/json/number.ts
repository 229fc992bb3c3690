import { bounds } from '../limits.ts';
import { excerptOfSource } from '../text.ts';
import { sameValue } from './decimal.ts';

/** A number as it was written. */
export class JsonNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Why `number`, a JSON number's text, is refused wherever it stands: its length, or no double is near it. */
export function numberProblem(number: string): string | undefined {
  if (number.length > bounds.numberLength) {
    return `a number of ${number.length} characters, more than ${bounds.numberLength}`;
  }
  const value = Number(number);
  if (Number.isFinite(value) && (value !== 0 || isWrittenAsZero(number))) return undefined;
  return `${excerptOfSource(number)} is beyond the range of a double`;
}

/** Why `number`, a JSON number's text, is refused where it must be a double and keep its value. */
export function roundedProblem(number: string): string {
  return isKeptByDouble(number)
    ? `${excerptOfSource(number)} has more digits than a double keeps; write ${Number(number)}`
    : `${excerptOfSource(number)} is an integer that a double cannot hold exactly`;
}

/**
 * Whether the double nearest to `number`, a JSON number's text, keeps what was written. Fractions and exponents say
 * "about"; an integer must be exact, or have the value of the double's
 * shortest form, as `JSON.stringify(2 ** 60)` writes it.
 */
export function isKeptByDouble(number: string): boolean {
  if (number.length <= 15 || !/^-?\d+$/.test(number)) return true;
  const value = Number(number);
  return sameValue(String(value), number) || BigInt(value) === BigInt(number);
}

/**
 * The plain form of `number`, a JSON number's text, when its exact value is an integer of 64 bits with sign, else
 * undefined: `12`, `12.0` and `1.2e1` are all `12`, and `-0` is `0`.
 */
export function asInt64(number: string): string | undefined {
  if (number.length <= 15 && /^(?:0|-?[1-9]\d*)$/.test(number)) return number;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = numberParts.exec(number) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return '0';
  const significant = withoutTrailingZeros(digits);
  const zeros = Number(exponent) - fraction.length + (digits.length - significant.length);
  if (zeros < 0 || significant.length + zeros > 19) return undefined;
  const value = BigInt(sign + significant + '0'.repeat(zeros));
  return BigInt.asIntN(64, value) === value ? value.toString() : undefined;
}

const numberParts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const isWrittenAsZero = (number: string) => !/[1-9]/.test(number.split(/e/i, 1)[0] ?? '');

function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (digits.charAt(end - 1) === '0') end--;
  return digits.slice(0, end);
}
