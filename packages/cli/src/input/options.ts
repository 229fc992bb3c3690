import { OsaError } from '@osa/core/error';
import { shellOption } from '../terminal/format.ts';
import { text } from '../terminal/parse.ts';
import type { Choices, Mapping } from './columns.ts';
import type { Reading } from './content.ts';
import { formatNamed, formats } from './format.ts';
import { encodingOf } from './text.ts';

/** The options by which files of records are read. */
export const inputOptions = {
  format: {
    value: 'FORMAT',
    description: `${formats.join(', ')} (default: what the content and the name say)`,
    parse: formatNamed,
  },
  id: {
    value: 'COLUMN',
    description:
      "the column with the records' ids (default: source_id or id); # numbers the records of all files",
    parse: text(1_000),
  },
  map: {
    value: 'FIELD=COLUMN',
    description: 'read a field from a column with another title; once for each',
    repeatable: true,
    parse: mappingOf,
  },
  ignore: {
    value: 'COLUMN',
    description: 'leave a column out; once for each',
    repeatable: true,
    parse: (given: string) => given,
  },
  fill: { description: 'take cells that a row of a table lacks at its end as empty' },
  separator: {
    value: 'CHAR',
    description: 'between cells, such as ; or tab (default: found)',
    parse: separatorOf,
  },
  encoding: { value: 'NAME', description: 'of text that is not UTF-8, such as latin1', parse: encodingOf },
} as const;

/** These choices as a shell takes them after `osa ingest CONVENTION FILE`. */
export function optionsOf(
  { id, map, ignore, fill }: Choices,
  { format, separator, encoding }: Partial<Reading>,
): string {
  const separatorWord = separator === '\t' ? 'tab' : separator;
  const given: readonly (readonly [string, string | undefined])[] = [
    ['format', format],
    ['separator', separatorWord],
    ['encoding', encoding],
    ['id', id],
    ...map.map(({ field, column }) => ['map', `${field}=${column}`] as const),
    ...ignore.map((title) => ['ignore', title] as const),
  ];
  const words = given.map(([name, value]) =>
    value === undefined ? '' : ` ${shellOption(`--${name}`, value)}`,
  );
  return [...words, fill ? ' --fill' : ''].join('');
}

function mappingOf(given: string): Mapping {
  const [, field, column] = /^([a-z][a-z0-9_]*)=(.+)$/s.exec(given) ?? [];
  if (field !== undefined && column !== undefined) return { field, column };
  throw new OsaError('usage', "It must be a field and a column, such as mass='Mass (g)'.");
}

function separatorOf(given: string): string {
  const separator = given === 'tab' || given === '\\t' ? '\t' : given;
  if (separator.length === 1 && !/["\r\n]/.test(separator)) return separator;
  throw new OsaError('usage', 'It must be one character, or the word tab.');
}
