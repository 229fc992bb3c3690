import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { parseExactly } from '../http/read-response.ts';

/** Parsers for arguments and the values of options. */

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value;
    throw new OsaError('usage', `It must be a whole number from ${least} to ${most}.`);
  };
}

/** A release's version: `3` or `v3`. */
export function releaseVersion(given: string): number {
  const digits = given.replace(/^v(?=\d)/i, '');
  const value = Number(digits);
  if (/^\d{1,15}$/.test(digits) && value >= 1 && value <= bounds.releaseVersion) return value;
  throw new OsaError('usage', 'It must be the version of a release, such as 3 or v3.');
}

export function text(longest: number): (text: string) => string {
  return (value) => {
    if (value.trim() !== '' && value.length <= longest) return value;
    throw new OsaError('usage', `It must have 1 to ${longest} characters.`);
  };
}

/**
 * The arguments of a command: words separated by spaces, or a JSON list of texts. No shell reads them, so the signs
 * of a shell are refused.
 */
export function commandArguments(given: string): string[] {
  const words = given.trim().split(/\s+/);
  if (given.trim().startsWith('[')) {
    const list = parseExactly(given);
    const isList = Array.isArray(list) && list.length > 0 && list.every((word) => typeof word === 'string');
    if (isList) return list;
  } else if (given.trim() !== '' && !/["'`\\$|&;<>*?(){}]/.test(given)) {
    return words;
  }
  throw new OsaError(
    'usage',
    'It must be words without quotes or signs of a shell, or a JSON list such as ["node","my hook.mjs"].',
  );
}

/**
 * A time as RFC 3339, given as people write it: a date, with hours and minutes, with seconds, with a zone. Without a
 * zone it is UTC, like every time that is shown. A time to the second means its end, since times are shown so: what
 * happened within that second has happened.
 */
export function instant(given: string): string {
  const [, date = '', clock = '00:00', seconds, fraction = '.999999', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(\.\d{1,9})?)?)? ?(Z|UTC|[+-]\d\d:\d\d)?$/i.exec(
      given.trim(),
    ) ?? [];
  const second = seconds === undefined ? '00' : `${seconds}${fraction}`;
  const rfc3339 = `${date}T${clock}:${second}${zone.toUpperCase().replace('UTC', 'Z')}`;
  // A day that a month does not have would roll over into the next one.
  const day = new Date(`${date}T00:00:00Z`);
  const isReal = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date);
  if (isReal && !Number.isNaN(Date.parse(rfc3339))) return rfc3339;
  throw new OsaError('usage', 'It must be a time, such as 2026-03-01 or "2026-03-01 03:04:05".');
}

/** An answer of `instant` as text for which `instant` has the same answer. */
export function instantText(rfc3339: string): string {
  return rfc3339.replace(/^(.{16}):00(?=[Z+-])/, '$1');
}

/** An id of what the server made, as its answers show it, or the beginning of one (`commands/full-id.ts`). */
export function storedId(given: string): string {
  if (uuid.test(given) || /^[0-9a-f][0-9a-f-]{3,34}$/i.test(given)) return given;
  throw new OsaError(
    'usage',
    'It must be an id, such as 0198c0de-0000-7000-8000-000000000009, or its first 4 or more characters.',
  );
}

export const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

const units = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `90`, `90s`, `15m`, `2h` in milliseconds. */
export function milliseconds(given: string): number {
  const [, number, unit = 's'] = /^(\d{1,7})([smh])?$/.exec(given) ?? [];
  if (number !== undefined && Number(number) > 0) return Number(number) * units[unit as keyof typeof units];
  throw new OsaError('usage', 'It must be a time such as 90s, 15m or 2h.');
}

/** Some of `words`, separated by commas. */
export function wordsOf<const W extends string>(words: readonly W[]): (given: string) => readonly W[] {
  return (given) => {
    const chosen = given.split(',').map((part) => words.find((word) => word === part.trim()));
    if (chosen.every((word) => word !== undefined)) return chosen;
    throw new OsaError('usage', `It must be ${words.join(', ')}, or several of them with commas.`);
  };
}

/** One of `words`. */
export function wordOf<const W extends string>(words: readonly W[]): (given: string) => W {
  return (given) => {
    const chosen = words.find((word) => word === given.trim());
    if (chosen !== undefined) return chosen;
    throw new OsaError('usage', `It must be one of ${words.join(', ')}.`);
  };
}
