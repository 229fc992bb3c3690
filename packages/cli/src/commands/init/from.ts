import { basename } from 'node:path';
import { OsaError } from '@osa/core/error';
import { longestHookName, reservedFields } from '@osa/core/hook/hook';
import { sha256 } from '@osa/core/hook/release';
import { bounds } from '@osa/core/limits';
import { longestFieldName, SchemaId } from '@osa/core/record/schema';
import { excerpt } from '@osa/core/text';
import { type Choices, fieldNameOf, isOfPublished, publishedNames } from '../../input/columns.ts';
import { counted } from '../../terminal/format.ts';
import { type Column, isIdTitle, isLikeId } from './infer-column.ts';
import { completeness, yamlName } from './scaffold.ts';
import type { Survey } from './survey.ts';

/** A dataset made of a file: its files, and what `osa ingest` takes the file's columns for. */
export interface Made {
  readonly files: (readonly [path: string, content: string])[];
  readonly choices: Choices;
  readonly hook: string;
  /** Other readings of the file, one a line. */
  readonly oddities: readonly string[];
}

/** @throws OsaError `usage` for a file that no schema fits */
export function madeFrom(
  file: string,
  { columns, records, short, isNested, isFlat }: Survey,
  { slug, jsonSchema }: { readonly slug: string; readonly jsonSchema: unknown },
): Made {
  const hook = hookNameOf(slug);
  const titles = columns.map(({ title }) => title);
  const twice = titles.find((title, index) => title !== '' && titles.indexOf(title) !== index);
  if (twice !== undefined) {
    const message = `${file}: the column ${excerpt(twice)} is there twice; give each column a title of its own`;
    throw new OsaError('usage', message, { field: 'from' });
  }
  const id = isNested ? undefined : idOf(columns);
  const isPublished = !isNested && publishedNames.every((name) => titles.includes(name));
  const left = ({ title, isNested: hasObjects }: Column) =>
    title === '' || (hasObjects && !isNested) || (isPublished && isOfPublished(title));
  const isId = ({ title }: Column) => isIdTitle(title) && title === id?.title;
  const fields = fieldsOf(columns.filter((column) => !left(column) && (isNested || !isId(column))));
  if (fields.length === 0 || fields.length > bounds.fields) {
    const rule = `a schema has 1 to ${bounds.fields} fields`;
    throw new OsaError('usage', `${file} has ${fields.length} columns beside its ids: ${rule}`, {
      field: 'from',
    });
  }
  const odd = isNested ? fields.find(({ name, column }) => name !== column.title) : undefined;
  if (odd) {
    const message = `${file}: "${odd.column.title}" cannot be the name of a field; a flat file takes --map`;
    throw new OsaError('usage', message, { field: 'from' });
  }
  const deep = isNested ? columns.find((column) => column.isNested) : undefined;
  if (deep) {
    const message = `${file}: "${deep.title}" has objects, and a field has one value or a list; give each of their members a field`;
    throw new OsaError('usage', message, { field: 'from' });
  }
  return {
    files: [
      ['convention.yaml', convention({ slug, hook, file: basename(file), records, fields })],
      ['convention.schema.json', `${JSON.stringify(jsonSchema, null, 2)}\n`],
      [`hooks/${hook}/hook.mjs`, completeness],
      ['.gitignore', '.osa/\n'],
    ],
    choices: isNested
      ? { id: undefined, map: [], ignore: [], fill: false }
      : { ...choicesFor(columns, fields, { id, isFlat, isPublished }), fill: short > 0 },
    hook,
    oddities: [
      ...titlesLike(titles),
      ...(short === 0
        ? []
        : [
            `${counted(short, 'row')} of the file ${short === 1 ? 'lacks cells at its end' : 'lack cells at their end'}: --fill takes them as empty`,
          ]),
      ...leftOut(columns.filter((column) => left(column) && !isId(column))),
      ...fields.flatMap(({ name, column: { oddity, isList } }) =>
        oddity === undefined ? [] : [`${name} is ${isList ? 'a list' : 'text'}: ${oddity}`],
      ),
    ],
  };
}

/**
 * The hook's name, by the name of its dataset. Hooks of all datasets of an archive share their names, so a name that is cut
 * has digits of the whole one.
 */
function hookNameOf(slug: string): string {
  const ending = '_completeness';
  const whole = slug.replaceAll('-', '_');
  // Names that begin with pg_ are PostgreSQL's own.
  const named = `${whole.startsWith('pg_') ? 'x_' : ''}${whole}${ending}`;
  if (named.length <= longestHookName) return named;
  return withEnding(named.slice(0, -ending.length), `_${sha256(slug).slice(0, 6)}${ending}`, longestHookName);
}

/** `name` with an ending, and cut so that both have `longest` characters at most. */
function withEnding(name: string, ending: string, longest: number): string {
  return `${name.slice(0, longest - ending.length).replace(/_+$/, '')}${ending}`;
}

function leftOut(columns: readonly Column[]): string[] {
  const names = new Set(
    columns.map(({ title, isNested }) => {
      if (title === '') return 'a column without a title is left out';
      return `${excerpt(title)} is left out${isNested ? ', since it has objects or lists of lists' : ''}`;
    }),
  );
  return [...names];
}

/** A header of numbers may be a record. */
function titlesLike(titles: readonly string[]): string[] {
  const number = titles.find((title) => title !== '' && Number.isFinite(Number(title)));
  return number === undefined
    ? []
    : [
        `the first row is the header, and it has the number ${number}: if it is a record, put titles above it`,
      ];
}

interface MadeField {
  readonly name: string;
  readonly column: Column;
}

function fieldsOf(columns: readonly Column[]): MadeField[] {
  const taken = new Set<string>(reservedFields);
  return columns.map((column) => {
    const base = fieldNameOf(column.title);
    let name = base;
    for (let n = 2; taken.has(name); n += 1) name = withEnding(base, `_${n}`, longestFieldName);
    taken.add(name);
    return { name, column };
  });
}

/** The column of the ids; undefined where records can only be numbered. */
function idOf(columns: readonly Column[]): Column | undefined {
  const unique = columns.filter(({ isUnique, title }) => isUnique && title !== '');
  const named = ['source_id', 'id'].flatMap((word) =>
    unique.filter(({ title }) => title.toLowerCase() === word),
  );
  const alike = unique.filter(({ title }) => isLikeId(title));
  const texts = unique.filter(({ type }) => type === 'text');
  return named[0] ?? alike[0] ?? texts[0];
}

function choicesFor(
  columns: readonly Column[],
  fields: readonly MadeField[],
  {
    id,
    isFlat,
    isPublished,
  }: { readonly id: Column | undefined; readonly isFlat: boolean; readonly isPublished: boolean },
): Omit<Choices, 'fill'> {
  const [first] = ['source_id', 'id'].flatMap((word) =>
    columns.filter(({ title }) => title.toLowerCase() === word),
  );
  const isFound = id !== undefined && id.title === first?.title && (!isFlat || isPublished);
  return {
    id: isFound ? undefined : (id?.title ?? '#'),
    map: fields
      .filter(({ name, column }) => fieldNameOf(column.title) !== name)
      .map(({ name, column }) => ({ field: name, column: column.title })),
    ignore: [
      ...(columns.some(({ title }) => title === '') ? [''] : []),
      ...columns.flatMap(({ title, isNested }) => (isNested && title !== '' ? [title] : [])),
    ],
  };
}

interface Parts {
  readonly slug: string;
  readonly hook: string;
  readonly file: string;
  readonly records: number;
  readonly fields: readonly MadeField[];
}

const convention = ({
  slug,
  hook,
  file,
  records,
  fields,
}: Parts) => `# yaml-language-server: $schema=./convention.schema.json
slug: ${yamlName(slug)}
title: ${JSON.stringify(file)}
description: ${JSON.stringify(`Records of ${file}.`)}

# The fields of a record, as ${records} records of the file have them. They never change under the same version: correct types
# before the first deploy, and say the unit of each number, such as unit: kg.
schema:
  id: ${SchemaId.safeParse(slug).success ? yamlName(slug) : `${slug}-record`}
  version: 1.0.0
  fields:
${fields.map(fieldLine).join('')}
# Each hook runs over every record. Its columns never change; its code may, with every release.
hooks:
  - name: ${hook}
    feature:
      cardinality: one
      columns:
        - { name: filled, json_type: integer, required: true, description: Fields with a value }
        - { name: missing, json_type: integer, required: true, description: Fields without a value }
    config: { fields: ${fields.length} }
    limits: { memory: 256m, cpu: "0.5", timeout_seconds: 60 }
    release: { directory: ./hooks/${hook}, command: [node, hook.mjs] }
`;

function fieldLine({ name, column: { title, type, isComplete, isList, oddity } }: MadeField): string {
  const unit = type === 'number' ? ` # unit: ${unitIn(title)}?` : '';
  const odd = oddity === undefined ? '' : ` # ${oddity}`;
  const many = isList ? ', cardinality: zero_or_more' : '';
  return `    - { name: ${yamlName(name)}, type: ${type}, required: ${isComplete}${many}, description: ${JSON.stringify(title)} }${unit}${odd}\n`;
}

/** The text in brackets at the end of a title, as in `depth (m)`. */
function unitIn(title: string): string {
  return /[([]([\p{L}\p{N}°µ%/^*.·-]{1,20})[)\]]$/u.exec(title)?.[1] ?? '';
}
