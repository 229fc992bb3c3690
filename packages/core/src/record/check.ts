import { isDate, isDateTime, isLocalDateTime } from '../calendar.ts';
import { compareNumbers, isInteger } from '../json/decimal.ts';
import { isJsonObject, isRawNumber } from '../json/raw.ts';
import { suggest } from '../suggest.ts';
import { excerpt } from '../text.ts';
import { compilePattern, type Pattern, type Steps } from './pattern.ts';
import { type FieldDefinition, isOpenField } from './schema.ts';

/**
 * Compiles the fields of a schema into a function that answers all reasons why a record's metadata, as `parseJson`
 * gives them, breaks it. Each reason names the field, the value and the rule, such as `magnitude: "abc" is not a
 * number`. Nothing is coerced. A field that is null is absent. With `openText`, text without a rule takes any value,
 * and a date a time without an offset. At most `mostReasons` are listed, then their number. The patterns of a record
 * take at most the steps that are given; values that come after that are not matched, which is a reason.
 *
 * @throws OsaError `invalid` when a field's pattern is one that `patternProblem` refuses.
 */
export function metadataChecker(
  fields: readonly FieldDefinition[],
  { openText = false }: { readonly openText?: boolean } = {},
): (metadata: unknown, steps?: Steps) => string[] {
  const names = fields.map((field) => field.name);
  const checks = new Map(fields.map((field) => [field.name, fieldCheck(field, openText)]));
  return (metadata, steps = { left: recordSteps }) => {
    if (!isJsonObject(metadata)) return [`metadata: ${excerpt(metadata)} is not an object`];
    const reasons = new Reasons();
    const unknown = Object.keys(metadata).filter((key) => !checks.has(key));
    for (const [index, key] of unknown.entries()) {
      reasons.add(() => unknownField(key, index < mostSuggestions ? names : []));
    }
    for (const [name, check] of checks) {
      check(Object.hasOwn(metadata, name) ? metadata[name] : undefined, reasons, steps);
    }
    return reasons.list();
  };
}

export const mostReasons = 100;
/** The most steps for the patterns of one record: some 100 ms. */
export const recordSteps = 10_000_000;
/** Each costs the comparison with all names. */
const mostSuggestions = 3;

/** The flaw of one value, as the end of a sentence: `is not a number`. */
type Rule = (value: unknown, steps: Steps) => string | undefined;

class Reasons {
  private readonly reasons: string[] = [];
  private left = 0;

  add(reason: () => string): void {
    if (this.reasons.length < mostReasons) this.reasons.push(reason());
    else this.left++;
  }

  list(): string[] {
    return this.left === 0 ? this.reasons : [...this.reasons, `and ${this.left} more problems`];
  }
}

function unknownField(key: string, names: readonly string[]): string {
  const near = suggest(key, names);
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
  return `${excerpt(key)}: is not a field of the schema${hint}`;
}

function fieldCheck(
  field: FieldDefinition,
  openText: boolean,
): (value: unknown, reasons: Reasons, steps: Steps) => void {
  const rule = valueRule(field, openText);
  const single = field.cardinality === 'exactly_one';
  return (value, reasons, steps) => {
    if (value === undefined || value === null) {
      if (field.required)
        reasons.add(() => `${field.name}: is required, but is ${value === null ? 'null' : 'absent'}`);
    } else if (single) {
      report(field.name, value, rule(value, steps), reasons);
    } else {
      checkList(field, value, (item) => rule(item, steps), reasons);
    }
  };
}

function checkList(
  field: FieldDefinition,
  value: unknown,
  rule: (item: unknown) => string | undefined,
  reasons: Reasons,
): void {
  if (!Array.isArray(value)) {
    report(field.name, value, `is not an array (the cardinality is ${field.cardinality})`, reasons);
  } else if (value.length === 0 && field.cardinality === 'one_or_more') {
    report(field.name, value, 'is empty (the cardinality is one_or_more)', reasons);
  } else {
    for (const [index, item] of value.entries()) {
      report(`${field.name}[${index}]`, item, rule(item), reasons);
    }
  }
}

function report(place: string, value: unknown, problem: string | undefined, reasons: Reasons): void {
  if (problem !== undefined) reasons.add(() => `${place}: ${excerpt(value)} ${problem}`);
}

function valueRule(field: FieldDefinition, openText: boolean): Rule {
  if (openText && isOpenField(field)) return () => undefined;
  const { constraints } = field;
  switch (field.type) {
    case 'text':
      return textRule(constraints?.type === 'text' ? constraints : {});
    case 'number':
      return numberRule(constraints?.type === 'number' ? constraints : {});
    case 'url':
      return urlRule(constraints?.type === 'url' ? constraints : {});
    case 'date':
      return (value) =>
        typeof value === 'string' &&
        (isDate(value) || isDateTime(value) || (openText && isLocalDateTime(value)))
          ? undefined
          : 'is not a date such as "2026-01-31" or a time with offset such as "2026-01-31T12:00:00Z"';
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? undefined : 'is not true or false');
  }
}

interface TextConstraints {
  readonly min_length?: number | null | undefined;
  readonly max_length?: number | null | undefined;
  readonly pattern?: string | null | undefined;
}

function textRule(constraints: TextConstraints): Rule {
  const least = constraints.min_length ?? 0;
  const most = constraints.max_length ?? Number.POSITIVE_INFINITY;
  const pattern = patternRule(constraints.pattern);
  return (value, steps) => {
    if (typeof value !== 'string') return 'is not a text';
    if (!value.isWellFormed() || value.includes('\0')) return 'holds a character that cannot be stored';
    const length = countPoints(value);
    if (length < least) return `has ${length} characters, fewer than ${least}`;
    if (length > most) return `has ${length} characters, more than ${most}`;
    return pattern?.(value, steps);
  };
}

interface NumberConstraints {
  readonly min_value?: number | null | undefined;
  readonly max_value?: number | null | undefined;
  readonly integer_only?: boolean | null | undefined;
}

function numberRule(constraints: NumberConstraints): Rule {
  const { min_value: least, max_value: most } = constraints;
  return (value) => {
    const isNumber = isRawNumber(value) || (typeof value === 'number' && Number.isFinite(value));
    if (!isNumber) return 'is not a number';
    if (constraints.integer_only && !isInteger(value)) return 'is not an integer';
    if (least != null && compareNumbers(value, least) < 0) return `is less than ${least}`;
    return most != null && compareNumbers(value, most) > 0 ? `is more than ${most}` : undefined;
  };
}

function urlRule(constraints: { readonly pattern?: string | null | undefined }): Rule {
  const pattern = patternRule(constraints.pattern);
  return (value, steps) => {
    const absolute = typeof value === 'string' && absoluteUrl.test(value) && URL.canParse(value);
    return absolute ? pattern?.(value, steps) : 'is not an absolute URL of http, https or ftp';
  };
}

/** The URL parser drops spaces and control characters and repairs `http:x`; a URL that needs that is none here. */
const absoluteUrl = /^(?:https?|ftp):\/\/[^\s\p{Cc}\p{Cs}/?#\\][^\s\p{Cc}\p{Cs}\\]*$/iu;

function patternRule(
  source: string | null | undefined,
): ((value: string, steps: Steps) => string | undefined) | undefined {
  if (source === null || source === undefined) return undefined;
  const pattern: Pattern = compilePattern(source);
  const shown = excerpt(source);
  return (value, steps) => {
    if (value.length > pattern.longest)
      return `is longer than ${pattern.longest}, the most for pattern ${shown}`;
    const isMatch = steps.left > 0 && pattern.test(value, steps);
    if (steps.left <= 0) {
      return `was not matched with the pattern ${shown}: matching this record took too long; send shorter values, or use a simpler pattern`;
    }
    return isMatch ? undefined : `does not match the pattern ${shown}`;
  };
}

function countPoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xdc00) count--;
  return count;
}
