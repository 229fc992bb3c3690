import { isRawNumber } from './raw.ts';

/**
 * The JSON text of `value` in the form of RFC 8785: no spaces, members sorted by the UTF-16 units of their keys. A raw
 * number, which RFC 8785 does not know, keeps its digits. Members that are undefined are left out.
 *
 * @throws TypeError for a value that has no JSON form, such as NaN, undefined or half of a surrogate pair
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return scalar(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const object = value as Readonly<Record<string, unknown>>;
  let text = '';
  for (const key of Object.keys(object).sort()) {
    const member = object[key];
    if (member === undefined) continue;
    text += `${text === '' ? '{' : ','}${scalar(key)}:${canonicalJson(member)}`;
  }
  return text === '' ? '{}' : `${text}}`;
}

function scalar(value: unknown): string {
  const isLost = typeof value === 'number' ? !Number.isFinite(value) : isBrokenText(value);
  const text = isLost ? undefined : JSON.stringify(value);
  if (text === undefined) throw new TypeError('the value has no JSON form');
  return text;
}

const isBrokenText = (value: unknown) => typeof value === 'string' && !value.isWellFormed();
