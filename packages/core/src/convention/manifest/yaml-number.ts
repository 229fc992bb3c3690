import { keptNumber } from '../../json/decimal.ts';
import { numberProblem, roundedProblem } from '../../json/number.ts';
import { isRawNumber, type RawNumber } from '../../json/raw.ts';

/**
 * The number of a plain scalar that YAML's core schema reads as one, or what is wrong with it, as the end of a sentence.
 * A number that no double keeps is a flaw, unless it is `kept` with its digits.
 */
export function readNumber(source: string, kept: boolean): number | RawNumber | string {
  const text = jsonNumber(source);
  if (text === undefined) return `${source} is not a finite number`;
  const problem = numberProblem(text);
  if (problem !== undefined) return problem;
  const number = keptNumber(text);
  return isRawNumber(number) && !kept ? roundedProblem(text) : number;
}

/** The JSON form of the number; undefined for `.inf` and `.nan`. */
function jsonNumber(source: string): string | undefined {
  if (/^0[ox]/.test(source)) return BigInt(source).toString();
  const [, sign, whole, fraction = '', exponent = ''] = decimal.exec(source) ?? [];
  if (sign === undefined) return undefined;
  return `${sign === '-' ? '-' : ''}${whole || '0'}${fraction && `.${fraction}`}${exponent}`;
}

const decimal = /^([-+]?)0*(\d*)\.?(\d*)([eE][-+]?\d+)?$/;
