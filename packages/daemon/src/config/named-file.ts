import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { isOpenToOthers } from '@osa/core/system/secret-file';

/** The text of the file that the setting `name` names. @throws OsaError `usage` */
export function readText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw unreadable(path, name, cause);
  }
}

/** The bytes of a file that nobody else may read or write (`isOpenToOthers`). @throws OsaError `usage` */
export function readSecret(path: string, name: string): Buffer {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const stats = fstatSync(file);
    if (isOpenToOthers(stats, process.getuid?.())) {
      const octal = (stats.mode & 0o777).toString(8).padStart(4, '0');
      throw new OsaError(
        'usage',
        `${name}: ${shown(path)} holds a secret, but others may use it (mode ${octal}); run: chmod 600 ${shown(path)}`,
        { field: name },
      );
    }
    return readFileSync(file);
  } catch (cause) {
    if (cause instanceof OsaError) throw cause;
    throw unreadable(path, name, cause);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The one line of a file that nobody else may read or write. @throws OsaError `usage` */
export function secretText(path: string, name: string, what: string): string {
  const text = readSecret(path, name).toString('utf8').trim();
  if (text === '')
    throw new OsaError('usage', `${name}: the file is empty; it holds ${what}`, { field: name });
  return text;
}

function unreadable(path: string, name: string, cause: unknown): OsaError {
  const code = systemCode(cause) ?? 'unknown error';
  return new OsaError('usage', `${name}: cannot read ${shown(path)} (${code}); it must be a file`, {
    field: name,
    cause,
  });
}

/** The path for a message, unless it may be a key that was given instead of a path. */
function shown(path: string): string {
  return /[\n{]/.test(path) || path.length > 4_096 ? 'the file that it names' : path;
}

export function required(value: string | undefined, name: string, what: string): string {
  if (value) return value;
  throw missing(name, what);
}

export function missing(name: string, what: string): OsaError {
  return new OsaError('usage', `${name} is not set: it is ${what}; see osad --help`, {
    field: name,
  });
}
