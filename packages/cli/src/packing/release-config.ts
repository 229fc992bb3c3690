import { resolve } from 'node:path';
import type { Body } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { parseJson } from '@osa/core/json/parse';
import { isJsonObject, type RawNumber } from '@osa/core/json/raw';
import type { JsonValue } from '@osa/core/json/value';
import { readTextFile } from '../commands/text-file.ts';
import { parseExactly } from '../http/read-response.ts';

/** One key of a config with its value. */
export type Setting = readonly [key: string, value: unknown];

type Config = NonNullable<Body<'release'>['config']>;

/**
 * Reads `key=value`; the value is JSON if it can be, else text.
 *
 * @throws OsaError `usage`, also for JSON that a server does not keep as it stands, such as a key that is there twice
 */
export function parseSetting(text: string): Setting {
  const at = text.indexOf('=');
  if (at < 1) throw new OsaError('usage', 'It must be KEY=VALUE, such as relation=choy.');
  const source = text.slice(at + 1);
  if (parseExactly(source) === undefined) return [text.slice(0, at), source];
  return [
    text.slice(0, at),
    keptJson(source, (flaw) => `Its value is JSON that cannot be kept exactly: ${flaw}.`),
  ];
}

/** @throws OsaError `usage` with what `said` makes of the flaw */
function keptJson(text: string, said: (flaw: string) => string): JsonValue<number | RawNumber> {
  try {
    return parseJson(text, { numbers: 'kept' });
  } catch (cause) {
    const flaw = asOsaError(cause);
    if (!flaw) throw cause;
    throw new OsaError('usage', said(flaw.message), { field: 'config', cause });
  }
}

/**
 * The config that a command gives: all of it by a file, or some keys. The server completes the rest from the release
 * that is live there.
 *
 * @throws OsaError `usage` for a file that is not a JSON object.
 */
export async function saidConfig(
  cwd: string,
  { file, set }: { readonly file: string | undefined; readonly set: readonly Setting[] },
): Promise<Pick<Body<'release'>, 'config' | 'set'>> {
  const keys = Object.fromEntries(set) as Config;
  if (file !== undefined) return { config: { ...(await readConfig(resolve(cwd, file), file)), ...keys } };
  return set.length > 0 ? { set: keys } : {};
}

async function readConfig(path: string, shown: string): Promise<Config> {
  const text = await readTextFile(path, { shown, field: 'config' });
  const config = keptJson(text, (flaw) => `${shown} cannot be used as a config: ${flaw}`);
  if (isJsonObject(config)) return config;
  throw new OsaError('usage', `${shown} is not a JSON object, such as {"relation": "choy"}`, {
    field: 'config',
  });
}
