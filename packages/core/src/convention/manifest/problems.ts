import type { z } from 'zod';
import { OsaError } from '../../error.ts';
import { suggest } from '../../suggest.ts';
import { type Path, pathText, valueAt } from '../../value-path.ts';
import { keysAt } from './shape.ts';
import type { YamlTree } from './yaml.ts';
import type { Place } from './yaml-places.ts';

/** One thing wrong with a file. `path` is empty when it concerns the file as a whole. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

/** A flaw that a rule finds: `at` says whether the value or its key is shown. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
  readonly at?: 'value' | 'key';
  /** The key that the writer of an unknown one probably meant. */
  readonly meant?: string | undefined;
}

/** More are no help; the last line says how many were left out. */
const maxProblems = 200;

/** All of `problems` as one error (`usage`), sorted by place, one line each: `file:line:column path: message`. */
export function problemsError(problems: readonly Problem[]): OsaError {
  const sorted = [...new Map(problems.map((problem) => [problemLine(problem), problem])).values()].sort(
    (left, right) =>
      left.line - right.line || left.column - right.column || (left.path < right.path ? -1 : 1),
  );
  const shown = sorted.slice(0, maxProblems);
  const rest = sorted.length - shown.length;
  const lines = shown.map(problemLine);
  if (rest > 0) lines.push(`and ${rest} more problem${rest === 1 ? '' : 's'}`);
  return new OsaError('usage', lines.join('\n'), { field: shown[0]?.path, details: { problems: shown } });
}

function problemLine({ file, line, column, path, message }: Problem): string {
  return `${file}:${line}:${column}${path && ` ${path}`}: ${message}`;
}

/** Where `path` stands; a path that is not in the file stands where the nearest mapping or list around it does. */
export function placeOf(tree: YamlTree, path: Path, at: 'value' | 'key' = 'value'): Place {
  const mark = tree.markOf(path);
  if (mark) return mark[at];
  return path.length === 0 ? { line: 1, column: 1 } : placeOf(tree, path.slice(0, -1));
}

/** Zod's issue in words for the person who wrote the file. */
export function findings(issue: z.core.$ZodIssue, tree: YamlTree): Finding[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      at: 'key',
      message: unknownKey(key, keysAt(path)),
      meant: suggest(key, keysAt(path)),
    }));
  }
  return [{ path, message: issueMessage(issue, valueAt(tree.value, path), sourceAt(tree, path)) }];
}

/** Leaves out that a key is missing where an unknown key beside it is probably the same one. */
export function withoutRenamed(found: readonly Finding[]): Finding[] {
  const meant = new Set(
    found.flatMap(({ path, meant: key }) =>
      key === undefined ? [] : [pathText([...path.slice(0, -1), key])],
    ),
  );
  return found.filter(
    (finding) => !finding.message.startsWith('is missing') || !meant.has(pathText(finding.path)),
  );
}

export function unknownKey(key: string, keys: readonly string[]): string {
  return `is not a key here (${guess(key, keys)}keys: ${keys.join(', ')})`;
}

/** A value as a person would quote it; long ones are cut. */
export function quote(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > maxQuoted ? `${text.slice(0, maxQuoted)}…` : text;
}

const maxQuoted = 80;

function issueMessage(issue: z.core.$ZodIssue, value: unknown, source: string | undefined): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, issue.path, value, source);
    case 'invalid_value':
      return wrongValue(issue.values.map(String), issue.path, value);
    case 'too_small':
      return value === ''
        ? 'is empty text'
        : `${measure(value)}, at least ${issue.minimum} ${isAre(value, issue.minimum)} needed`;
    case 'too_big':
      return `${measure(value)}, at most ${issue.maximum} ${isAre(value, issue.maximum)} allowed`;
    case 'invalid_key':
      return 'is a key of over 1000 characters';
    default:
      return `${quote(value)} ${issue.message}`;
  }
}

const kinds: Readonly<Record<string, string | undefined>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'a boolean',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

function wrongType(expected: string, path: Path, value: unknown, source: string | undefined): string {
  const kind = kinds[expected] ?? expected;
  if (value === undefined) return `is missing (${kind} is needed)`;
  if (value === null) return `is empty (${kind} is needed)`;
  const found = typeof value === 'string' ? `${quote(value)} (text)` : withKind(value, source);
  return `${found} is not ${kind}${hint(expected, path, value, source)}`;
}

function withKind(value: unknown, source: string | undefined): string {
  return typeof value === 'object' ? quote(value) : `${source ?? String(value)} (${typeof value})`;
}

function hint(expected: string, path: Path, value: unknown, source: string | undefined): string {
  if (typeof value === 'object') return '';
  if (expected === 'boolean') return ' (write true or false)';
  if (expected !== 'string') return '';
  if (path.at(-1) === 'version') return ' (write a version of three parts in quotes, such as "1.0.0")';
  if (path.at(-1) === 'memory') return ' (write it with a unit, such as 256m)';
  return ` (write it in quotes: "${source ?? String(value)}")`;
}

const nouns: Readonly<Record<string, readonly [string, string] | undefined>> = {
  cardinality: ['a cardinality', 'cardinalities'],
  format: ['a format', 'formats'],
  json_type: ['a type', 'types'],
  type: ['a type', 'types'],
};

function wrongValue(values: readonly string[], path: Path, value: unknown): string {
  const [one, many] = nouns[String(path.at(-1))] ?? ['a value that is allowed', 'values'];
  const all = `${many}: ${values.join(', ')}`;
  if (value === undefined) return `is missing (${all})`;
  if (value === null) return `is empty (${all})`;
  if (value === 'term' && one === 'a type') {
    return `"term" (ontology terms) is not offered, use "text" (${all})`;
  }
  return `${quote(value)} is not ${one} (${typeof value === 'string' ? guess(value, values) : ''}${all})`;
}

function guess(word: string, candidates: readonly string[]): string {
  const near = suggest(word, candidates);
  return near === undefined ? '' : `did you mean "${near}"? `;
}

function measure(value: unknown): string {
  if (typeof value === 'string') return `has ${value.length} characters`;
  return Array.isArray(value) ? `has ${value.length} elements` : quote(value);
}

function isAre(value: unknown, bound: number | bigint): string {
  return typeof value !== 'number' && bound !== 1 ? 'are' : 'is';
}

function sourceAt(tree: YamlTree, path: Path): string | undefined {
  return tree.markOf(path)?.source;
}
