import { z } from 'zod';
import { isLocalDateTime } from '../calendar.ts';
import { type Difference, noneOf, reservedFields, reservedNames } from '../hook/hook.ts';
import { bounds } from '../limits.ts';
import { refuseTwins } from '../unique-names.ts';
import { patternProblem } from './pattern.ts';

/** A schema is the typed fields of a record: `id@semver`, immutable once registered. */

export const fieldTypes = ['text', 'number', 'date', 'boolean', 'url'] as const;
export const fieldCardinalities = ['exactly_one', 'one_or_more', 'zero_or_more'] as const;

/** Characters that a value may have at least, or at most. */
export const TextLength = z
  .int()
  .min(0)
  .max(2 ** 31);

export const Pattern = z
  .string()
  .max(1_000)
  .superRefine((pattern, context) => {
    const problem = patternProblem(pattern);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

/** Rules for a value beside its type. Keys that do not belong to the type are ignored, as clients may send them. */
export const Constraints = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('text'),
    min_length: TextLength.nullish(),
    max_length: TextLength.nullish(),
    pattern: Pattern.nullish(),
    unit: z.string().max(100).nullish(),
  }),
  z.object({
    type: z.literal('number'),
    min_value: z.number().nullish(),
    max_value: z.number().nullish(),
    integer_only: z.boolean().nullish(),
    unit: z.string().max(100).nullish(),
  }),
  z.object({ type: z.literal('url'), pattern: Pattern.nullish() }),
  z.object({ type: z.literal('date') }),
  z.object({ type: z.literal('boolean') }),
]);

/** Characters of a field's name. */
export const longestFieldName = 63;

export const FieldName = z
  .string()
  .regex(/^[a-z][a-z0-9_]*$/, 'must start with a-z and hold only a-z, 0-9 and _')
  .max(longestFieldName, `must have at most ${longestFieldName} characters`)
  .regex(
    noneOf(reservedFields),
    `is reserved, since every record has it beside its metadata (${reservedFields.join(', ')}); take another name`,
  );

export const FieldDefinition = z
  .object({
    name: FieldName,
    type: z.enum(fieldTypes, {
      error: (issue) =>
        issue.input === 'term'
          ? 'is "term"; ontology terms are not offered, use "text"'
          : `must be one of ${fieldTypes.join(', ')}`,
    }),
    required: z.boolean(),
    cardinality: z.enum(fieldCardinalities),
    description: z.string().max(10_000).nullish(),
    constraints: Constraints.nullish(),
    examples: z.array(z.string().max(10_000)).max(100).nullish(),
  })
  .refine((field) => !field.constraints || field.constraints.type === field.type, {
    path: ['constraints', 'type'],
    error: "must be the field's own type",
  });

export const SchemaId = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{2,63}$/,
    'must start with a-z, hold only a-z, 0-9 and -, and have 3 to 64 characters',
  )
  .regex(noneOf(reservedNames), `is reserved (${reservedNames.join(', ')})`);

/** The grammar of semver.org: parts between dots are not empty, and numbers have no leading zeros. */
function semanticVersion(): RegExp {
  const number = '(?:0|[1-9]\\d*)';
  const prerelease = `(?:${number}|\\d*[a-z-][0-9a-z-]*)`;
  const build = '[0-9a-z-]+';
  const list = (part: string) => `${part}(?:\\.${part})*`;
  return new RegExp(`^${number}\\.${number}\\.${number}(?:-${list(prerelease)})?(?:\\+${list(build)})?$`);
}

export const SchemaVersion = z
  .string()
  .max(100)
  .regex(semanticVersion(), 'must be a semantic version in lower case, such as "1.0.0"');

export const SchemaDefinition = z.strictObject({
  id: SchemaId,
  version: SchemaVersion,
  fields: z.array(FieldDefinition).min(1).max(bounds.fields).superRefine(refuseTwins),
  /** Whether text without a rule takes any JSON value, and a date a time without offset: see `convention/open-text.ts`. */
  open_text: z.boolean().nullish(),
});

export type FieldDefinition = z.infer<typeof FieldDefinition>;
export type SchemaDefinition = z.infer<typeof SchemaDefinition>;

/** Whether a field takes any JSON value where its schema has `open_text`. A unit does not restrict the value. */
export function isOpenField({ type, constraints }: FieldDefinition): boolean {
  if (type !== 'text') return false;
  if (constraints?.type !== 'text') return true;
  const { min_length, max_length, pattern } = constraints;
  return [min_length, max_length, pattern].every((rule) => rule === undefined || rule === null);
}

/**
 * The differences that make `next` another schema than `stored`. Order, descriptions and examples do not count; units
 * do, since they change what a number means.
 */
export function schemaDifferences(
  stored: readonly FieldDefinition[],
  next: readonly FieldDefinition[],
): Difference[] {
  const before = new Map(stored.map((field) => [field.name, field]));
  const after = new Map(next.map((field) => [field.name, field]));
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .flatMap((name) => fieldDifferences(name, before.get(name), after.get(name)));
}

function fieldDifferences(
  name: string,
  from: FieldDefinition | undefined,
  to: FieldDefinition | undefined,
): Difference[] {
  const path = `fields.${name}`;
  if (!from || !to) return [{ path, from: from?.type ?? null, to: to?.type ?? null }];
  const rules = (field: FieldDefinition): Record<string, unknown> => {
    const { type: _, ...constraints } = field.constraints ?? { type: field.type };
    return { type: field.type, required: field.required, cardinality: field.cardinality, ...constraints };
  };
  const [left, right] = [rules(from), rules(to)];
  return [...new Set([...Object.keys(left), ...Object.keys(right)])]
    .sort()
    .map((key) => ({ path: `${path}.${key}`, from: left[key] ?? null, to: right[key] ?? null }))
    .filter((difference) => difference.from !== difference.to);
}

/** The date fields of `metadata` that hold a time without an offset, which is local to wherever it was written. */
export function localTimes(
  fields: readonly FieldDefinition[],
  metadata: Readonly<Record<string, unknown>>,
): string[] {
  const isLocal = (value: unknown) => typeof value === 'string' && isLocalDateTime(value);
  return fields
    .filter(({ name, type }) => type === 'date' && [metadata[name]].flat().some(isLocal))
    .map(({ name }) => name);
}

/** Orders semantic versions (semver.org, §11; build metadata decides last, as text, so that the order is total). */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [parseVersion(left), parseVersion(right)];
  for (const [index, number] of a.core.entries()) {
    const difference = compareDigits(number, b.core[index] ?? '0');
    if (difference !== 0) return difference;
  }
  return comparePrerelease(a.prerelease, b.prerelease) || (left < right ? -1 : Number(left > right));
}

/** Numbers without leading zeros, of any length. */
function compareDigits(left: string, right: string): number {
  return left.length - right.length || (left < right ? -1 : Number(left > right));
}

function parseVersion(text: string): { core: string[]; prerelease: string[] } {
  const [main = ''] = text.split('+', 1);
  const dash = main.indexOf('-');
  const core = (dash === -1 ? main : main.slice(0, dash)).split('.');
  return { core, prerelease: dash === -1 ? [] : main.slice(dash + 1).split('.') };
}

function comparePrerelease(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Number(b.length > 0) - Number(a.length > 0) || 0;
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const [left, right] = [a[index], b[index]];
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    if (left === right) continue;
    const [isLeft, isRight] = [/^\d+$/.test(left), /^\d+$/.test(right)];
    if (isLeft && isRight) return compareDigits(left, right);
    if (isLeft !== isRight) return isLeft ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return 0;
}
