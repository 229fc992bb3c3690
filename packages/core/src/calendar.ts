/**
 * Dates and times as RFC 3339 writes them. Year 0000 is refused, since PostgreSQL has no such year. So are times within
 * a day of the calendar's ends, leap seconds, and offsets of 16 hours and more: it would move or refuse them.
 */

/** `2026-01-31`, a day that exists. */
export function isDate(text: string): boolean {
  return datePattern.test(text) && dayExists(text);
}

/** `2026-01-31T12:00:00.5Z` or with an offset such as `+05:30`; a moment that exists. */
export function isDateTime(text: string): boolean {
  return (
    timePattern.test(text) &&
    dayExists(text) &&
    twoDigits(text, 11) <= 23 &&
    twoDigits(text, 14) <= 59 &&
    twoDigits(text, 17) <= 59 &&
    offsetExists(text) &&
    !isAtAnEnd(text)
  );
}

/** `2026-01-31T12:00:00`: a time without an offset, so nobody knows which moment it is. */
export function isLocalDateTime(text: string): boolean {
  return !/[Zz]$|[+-]\d{2}:\d{2}$/.test(text.slice(10)) && isDateTime(`${text}Z`);
}

/** Whether the offset of `text`, which is a date-time, is one that clocks have: 14 hours at most. */
export function isOffsetInUse(text: string): boolean {
  if (/[Zz]$/.test(text)) return true;
  return twoDigits(text, text.length - 5) * 60 + twoDigits(text, text.length - 2) <= 14 * 60;
}

/** Whether `text`, which is a date-time, says no more than microseconds, which is what PostgreSQL keeps. */
export function isWithinMicroseconds(text: string): boolean {
  return text.charAt(19) !== '.' || /^\d{1,6}0*\D/.test(text.slice(20));
}

const datePattern = /^\d{4}-\d{2}-\d{2}$/;
const timePattern = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,12})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

function twoDigits(text: string, at: number): number {
  return (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48;
}

function dayExists(text: string): boolean {
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const [month, day] = [twoDigits(text, 5), twoDigits(text, 8)];
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  return day <= (month === 2 && isLeapYear(year) ? 29 : (monthLengths[month - 1] ?? 0));
}

function offsetExists(text: string): boolean {
  if (/[Zz]$/.test(text)) return true;
  return twoDigits(text, text.length - 5) <= 15 && twoDigits(text, text.length - 2) <= 59;
}

/**
 * Whether the moment is within a day of the first or the last that there is. In another time zone its year would be one that
 * does not exist.
 */
function isAtAnEnd(text: string): boolean {
  if (!/^(0001-01-0[1-3]|9999-12-(29|30|31))/.test(text)) return false;
  const [, sign, hours = 0, minutes = 0] = /([+-])(\d{2}):(\d{2})$/.exec(text.slice(19)) ?? [];
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000;
  const moment = Date.parse(`${text.slice(0, 19).toUpperCase()}Z`) - (sign === '-' ? -offset : offset);
  return moment < secondDay || moment >= lastDay;
}

const secondDay = Date.parse('0001-01-02T00:00:00Z');
const lastDay = Date.parse('9999-12-31T00:00:00Z');

const monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const isLeapYear = (year: number) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
