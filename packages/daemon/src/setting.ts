import { readFileSync } from 'node:fs';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system-error';

/** What settings are read with. */

/** @throws OsaError `usage` */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new OsaError('usage', `${path} cannot be read (${systemCode(cause) ?? 'unknown error'})`, {
      cause,
    });
  }
}

export function required(value: string | undefined, name: string, what: string): string {
  if (value) return value;
  throw missing(name, what);
}

export function missing(name: string, what: string): OsaError {
  return new OsaError('usage', `${name} is not set: it is ${what}; osad --help lists the settings`, {
    field: name,
  });
}
