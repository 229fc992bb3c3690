import { OsaError } from '@osa/core/error';
import { parseExactJson } from '@osa/core/json/exact';
import { bounds } from '@osa/core/limits';
import type { Field } from '@osa/core/record/cell';
import { excerpt } from '@osa/core/text';
import { largeRefusal } from './collection.ts';
import {
  type Choices,
  fieldNameOf,
  isOfPublished,
  mappedTwice,
  type Numbering,
  publishedNames,
} from './columns.ts';
import type { Format } from './format.ts';
import { JsonLines } from './json-lines.ts';

/** JSON records without `metadata`, whose members are the fields themselves. */

/** Whether the first record of the file is flat, as far as that can be seen at its beginning. */
export function isFlat(head: string, format: Format): boolean {
  const first = firstRecord(head, format);
  return first !== undefined && !('metadata' in first);
}

/** Whether it is a record as osa writes published ones. */
export function isPublished(head: string, format: Format): boolean {
  const first = firstRecord(head, format) ?? {};
  return !('metadata' in first) && publishedNames.every((name) => name in first);
}

function firstRecord(head: string, format: Format): object | undefined {
  try {
    const first: unknown = JSON.parse(
      format === 'json' ? firstElement(head) : (head.trimStart().split('\n', 1)[0] ?? ''),
    );
    return typeof first === 'object' && first !== null ? first : undefined;
  } catch {
    return undefined;
  }
}

function firstElement(head: string): string {
  let element = '';
  for (const piece of new JsonLines('').cut(Buffer.from(head))) {
    element += piece.toString();
    if (element.trim() !== '' && element.endsWith('\n')) break;
  }
  return element;
}

export function flatRefusal(name: string): OsaError {
  return new OsaError(
    'usage',
    `${name}: its records have no "metadata", so they are flat: --id MEMBER says which member is their id, and the others ` +
      'become their fields',
    { field: 'id' },
  );
}

function nestedRefusal(name: string, line: number): OsaError {
  return new OsaError(
    'usage',
    `${name} line ${line}: it has source_id and metadata, so its id is said already; leave out --id`,
    { field: 'id', details: { line } },
  );
}

/** One of the values would be lost. */
function twoMembers(
  name: string,
  line: number,
  keys: readonly string[],
  fieldOf: (key: string) => string,
): OsaError {
  const key =
    keys.find((one, index) => keys.slice(index + 1).some((other) => fieldOf(other) === fieldOf(one))) ?? '';
  const others = keys.filter((other) => fieldOf(other) === fieldOf(key)).map((other) => excerpt(other));
  return new OsaError(
    'usage',
    `${name} line ${line}: the members ${others.join(' and ')} are both the field ${fieldOf(key)}; --map and --ignore choose one`,
    { details: { line } },
  );
}

/** Each line as a record; a line stays on its line. @throws OsaError `usage` for anything but a JSON object */
export async function* nested(
  name: string,
  text: AsyncIterable<string>,
  {
    fields,
    choices,
    numbers,
  }: { readonly fields: readonly Field[]; readonly choices: Choices; readonly numbers: Numbering },
): AsyncGenerator<string> {
  const names = new Set(fields.map((field) => field.name));
  const mapped = new Map(choices.map.map(({ field, column }) => [column, field]));
  const fieldOf = (key: string) =>
    mapped.get(key) ??
    (key === '' || names.has(key) || !names.has(fieldNameOf(key)) ? key : fieldNameOf(key));
  const [problem] = mappedTwice(choices.map);
  if (problem !== undefined) throw new OsaError('usage', `${name}: ${problem}`);
  let line = 0;
  for await (const content of linesOf(name, text)) {
    line += 1;
    if (content.trim() === '') {
      yield '\n';
      continue;
    }
    const record = parseRecord(name, content, line);
    if (!names.has('metadata') && 'source_id' in record && 'metadata' in record)
      throw nestedRefusal(name, line);
    const { id = 'id', ignore } = choices;
    const isOurs = publishedNames.every((known) => known in record);
    const members = Object.entries(record)
      .filter(([key, value]) => !isOurs || ((mapped.has(key) || !isOfPublished(key)) && value !== null))
      .filter(([key]) => !ignore.includes(key) && (key !== id || names.has(fieldOf(key))));
    const metadata = Object.fromEntries(members.map(([key, value]) => [fieldOf(key), value]));
    if (Object.keys(metadata).length < members.length)
      throw twoMembers(
        name,
        line,
        members.map(([key]) => key),
        fieldOf,
      );
    const source_id = id === '#' ? numbers.next() : asId(record[id]);
    yield `${JSON.stringify({ source_id, metadata })}\n`;
  }
}

/** A number is an id by its digits. */
function asId(value: unknown): unknown {
  return typeof value === 'string' || value === undefined ? value : JSON.stringify(value);
}

/** @throws OsaError `usage`, with the line */
export function parseRecord(name: string, content: string, line: number): Record<string, unknown> {
  const refuse = (problem: string, cause?: unknown) =>
    new OsaError('usage', `${name} line ${line}: ${problem}`, { details: { line }, cause });
  let value: unknown;
  try {
    value = parseExactJson(content);
  } catch (cause) {
    const isNotFinite = /[:[,]\s*(?:NaN|-?Infinity)\b/.test(content);
    throw refuse(isNotFinite ? 'NaN and Infinity are not JSON; write null' : 'it is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('it is not a JSON object');
  return value as Record<string, unknown>;
}

/** Lines without their ends. @throws OsaError `usage` for one that is too long to be a record */
export async function* linesOf(name: string, text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of text) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > 4 * bounds.lineBytes) throw largeRefusal(name);
    yield* lines;
  }
  if (rest !== '') yield rest;
}
