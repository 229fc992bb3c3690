import { OsaError } from '@osa/core/error';

/** Parsers for the values of options. */

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value;
    throw new OsaError('usage', `It must be a whole number from ${least} to ${most}.`);
  };
}

export function text(longest: number): (text: string) => string {
  return (value) => {
    if (value.trim() !== '' && value.length <= longest) return value;
    throw new OsaError('usage', `It must have 1 to ${longest} characters.`);
  };
}
