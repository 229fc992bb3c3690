import { OsaError } from '@osa/core/error';
import { reservedFields } from '@osa/core/hook/hook';
import type { Field } from '@osa/core/record/cell';
import { longestFieldName } from '@osa/core/record/schema';
import { suggest } from '@osa/core/suggest';
import { excerpt } from '@osa/core/text';

/** The columns of a table, or the members of flat JSON records, as fields. */

export interface Mapping {
  readonly field: string;
  readonly column: string;
}

export interface Choices {
  /** The column with the records' ids, or `#`: the number of the record in the upload. */
  readonly id: string | undefined;
  readonly map: readonly Mapping[];
  readonly ignore: readonly string[];
  /** Whether a row may lack cells at its end, which are empty then. */
  readonly fill: boolean;
}

/** Counts the records of one upload, over all of its files. */
export class Numbering {
  private last = 0;

  /** The number of the next record, from 1. */
  next(): string {
    this.last += 1;
    return String(this.last);
  }
}

export interface Columns<Kind extends Field = Field> {
  /** By place; undefined for a column that is left out. */
  readonly fields: readonly (Kind | undefined)[];
  /** The place of the id; undefined where the records are numbered. */
  readonly id: number | undefined;
}

/** Columns that tell a table of published records, as osa writes it. */
export const publishedNames: readonly string[] = ['source_id', 'srn'];

/** Whether a column of such a table is none of the schema's. */
export function isOfPublished(title: string): boolean {
  return title === '_current' || reservedFields.some((name) => name === title);
}

/** `Miles per Gallon` → `miles_per_gallon`. */
export function fieldNameOf(title: string): string {
  const name = title
    .replaceAll('ß', 'ss')
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/([a-z\d])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .slice(0, longestFieldName);
  return /^[a-z]/.test(name) ? name : `x_${name}`.slice(0, longestFieldName).replace(/_$/, '');
}

/** @throws OsaError `usage` with all that does not fit */
export function chooseColumns<Kind extends Field>(
  name: string,
  titles: readonly string[],
  { fields, choices }: { readonly fields: readonly Kind[]; readonly choices: Choices },
): Columns<Kind> {
  const problems = new Set<string>();
  const seen = new Set<string>();
  for (const title of titles) {
    if (seen.has(title) && !choices.ignore.includes(title))
      problems.add(`the column ${excerpt(title)} is there twice`);
    seen.add(title);
  }
  const isPublished = publishedNames.every((name) => titles.includes(name));
  for (const problem of mappedTwice(choices.map)) problems.add(problem);
  const id = idColumn(titles, choices.id);
  if (id === -1) problems.add(missingId(titles, choices.id));
  const byName = new Map(fields.map((field) => [field.name, field]));
  const mapped = new Map<string, Kind>();
  for (const { field, column } of choices.map) {
    const found = byName.get(field);
    if (!found)
      problems.add(`--map ${field}: the schema has no such field${near(field, [...byName.keys()])}`);
    else if (!titles.includes(column))
      problems.add(`--map ${field}: there is no column ${excerpt(column)}${near(column, titles)}`);
    else mapped.set(column, found);
  }
  for (const column of choices.ignore) {
    if (!titles.includes(column))
      problems.add(`--ignore: there is no column ${excerpt(column)}${near(column, titles)}`);
  }
  const taken = new Set([...mapped.values()].map((field) => field.name));
  const chosen = titles.map((title, index) => {
    const isLeftOut = isPublished && isOfPublished(title) && !mapped.has(title);
    if (choices.ignore.includes(title) || isLeftOut) return undefined;
    const field =
      mapped.get(title) ?? byName.get(title) ?? (title === '' ? undefined : byName.get(fieldNameOf(title)));
    if (field && (mapped.has(title) || !taken.has(field.name))) return field;
    // The others are only counted: to look for a name like theirs takes long.
    if (index !== id)
      problems.add(problems.size < mostProblems ? unknownColumn(title, [...byName.keys()]) : title);
    return undefined;
  });
  const names = chosen.flatMap((field) => (field ? [field.name] : []));
  const twice = names.find((field, index) => names.indexOf(field) !== index);
  if (twice !== undefined) problems.add(`two columns are the field ${twice}; --map and --ignore choose one`);
  for (const { name: field, required } of fields) {
    if (required && !names.includes(field)) {
      problems.add(`the required field ${field} has no column: --map ${field}=COLUMN says which`);
    }
  }
  if (problems.size > 0) {
    const different = [...problems];
    const [first = '', ...others] = different.slice(0, mostProblems);
    const more = different.length - mostProblems;
    if (more > 0) others.push(`${more} more of the columns and fields do not fit`);
    throw new OsaError('usage', [`${name}: ${first}`, ...others].join('\n'), {
      details: { columns: titles },
    });
  }
  return { fields: chosen, id };
}

/** Problems of a header that are shown, one a line. */
const mostProblems = 20;

/** Columns that are said to be two fields, of which one would stay empty. */
export function mappedTwice(map: readonly Mapping[]): string[] {
  return map.flatMap(({ field, column }, index) => {
    const other = map.slice(0, index).find((before) => before.column === column && before.field !== field);
    if (other === undefined) return [];
    return [
      `--map: the column ${excerpt(column)} is two fields, ${other.field} and ${field}; name one of them`,
    ];
  });
}

/** -1 where there is none. */
function idColumn(titles: readonly string[], given: string | undefined): number | undefined {
  if (given === '#') return undefined;
  if (given !== undefined) return titles.indexOf(given);
  const [first, second] = ['source_id', 'id'].map((word) =>
    titles.findIndex((title) => title.toLowerCase() === word),
  );
  return first !== undefined && first !== -1 ? first : (second ?? -1);
}

function missingId(titles: readonly string[], given: string | undefined): string {
  const shown = titles.slice(0, 20).join(', ');
  const numbering = `--id '#' numbers the records instead`;
  if (given === undefined)
    return `no column is named id or source_id: name it by --id COLUMN (${shown}); ${numbering}`;
  return `--id: there is no column ${excerpt(given)}${near(given, titles)}; columns: ${shown}; ${numbering}`;
}

function unknownColumn(title: string, names: readonly string[]): string {
  if (title === '') return `a column without a title is not a field of the schema: --ignore '' leaves it out`;
  const what = `the column ${excerpt(title)} is not a field`;
  const word = `'${title.replaceAll("'", "'\\''")}'`;
  return `${what} of the schema${near(fieldNameOf(title), names)}: --map FIELD=${word} says which, --ignore ${word} leaves it out`;
}

function near(word: string, candidates: readonly string[]): string {
  const found = suggest(word, candidates);
  return found === undefined ? '' : ` (did you mean ${found}?)`;
}
