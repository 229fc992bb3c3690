import { OsaError } from '@osa/core/error';
import { metadataChecker } from '@osa/core/record/check';
import { compilePattern, patternProblem } from '@osa/core/record/pattern';
import type { FieldDefinition } from '@osa/core/record/schema';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { busyFor } from '../support/busy.ts';

const fieldWith = (pattern: string): FieldDefinition => ({
  name: 'x',
  type: 'text',
  required: false,
  cardinality: 'exactly_one',
  constraints: { type: 'text', pattern },
});

const check = (pattern: string, value: unknown) => metadataChecker([fieldWith(pattern)])({ x: value });

/**
 * Whether `source` matches anywhere in `value`, by the engine of the language. It is asked once at the start of each
 * character, as ECMA-262 has it: asked once for the whole, V8 also tries between the two halves of a surrogate
 * pair, and finds `\B` there.
 */
function matchesSomewhere(source: string, value: string): boolean {
  const here = new RegExp(source, 'uy');
  for (let at = 0; at <= value.length; at += (value.codePointAt(at) ?? 0) > 0xffff ? 2 : 1) {
    here.lastIndex = at;
    if (here.test(value)) return true;
  }
  return false;
}

describe('patterns', () => {
  test('are searched anywhere unless anchored', () => {
    expect(check('b+', 'abbc')).toEqual([]);
    expect(check('^[a-z]+(-[a-z]+)*$', 'ab-cd')).toEqual([]);
    expect(check('^[a-z]+$', 'aB')).toEqual(['x: "aB" does not match the pattern "^[a-z]+$"']);
  });

  test('are searched from character to character, never from half of one', () => {
    expect(compilePattern('\\B').test('a😀a')).toBe(false);
    expect(compilePattern('\\B').test('a😀😀a')).toBe(true);
    expect(compilePattern('\\ude00').test('😀')).toBe(false);
  });

  test.each([
    '(',
    '[b-a]',
    'a{2,1}',
    '\\p{None}',
    '(?=a)',
    '(?<!a)b',
    '(a)\\1',
    '(?<n>a)\\k<n>',
    'a{5000}',
    '(?i:a)',
  ])('are refused before a schema is stored: %s', (pattern) => {
    expect(patternProblem(pattern)).toEqual(expect.any(String));
    expect(() => metadataChecker([fieldWith(pattern)])).toThrow(OsaError);
  });

  test.each([
    '((a{1000}){1000}){1000}',
    '(?:){1000000000}',
    '((?:){5000}){5000}',
    '(((a?){9}){9}){9}'.repeat(20),
  ])('that are small to write and large to run: %s', (pattern) => {
    expect(patternProblem(pattern)).toContain('too large');
  });

  test('match as the engine of the language does', () => {
    const atoms = [
      'a',
      'b',
      '.',
      '[ab]',
      '[^a]',
      '[\\]\\-a]',
      '[😀a]',
      '\\d',
      '\\w',
      '\\W',
      '\\s',
      '\\p{L}',
      '\\x61',
    ];
    const atom = fc.constantFrom(
      ...atoms,
      '\\u{1F600}',
      '\\ud83d\\ude00',
      '\\.',
      '\\/',
      '\\t',
      'é',
      '😀',
      '-',
      '\\0',
    );
    const counts = fc.constantFrom(
      '',
      '',
      '',
      '*',
      '+',
      '?',
      '{2}',
      '{1,3}',
      '{0,2}',
      '{2,}',
      '*?',
      '{1,2}?',
    );
    const assertion = fc.constantFrom('^', '$', '\\b', '\\B');
    const { pattern } = fc.letrec<{ pattern: string; both: string; either: string; group: string }>(
      (tie) => ({
        pattern: fc.oneof(
          { maxDepth: 4 },
          fc.tuple(atom, counts).map((parts) => parts.join('')),
          assertion,
          tie('both'),
          tie('either'),
          tie('group'),
        ),
        both: fc.tuple(tie('pattern'), tie('pattern')).map((parts) => parts.join('')),
        either: fc.tuple(tie('pattern'), tie('pattern')).map((parts) => parts.join('|')),
        group: fc
          .tuple(fc.constantFrom('(', '(?:', '(?<name>'), tie('pattern'), counts)
          .map(([open, inner, count]) => `${open}${inner})${count}`),
      }),
    );
    const units = ['a', 'b', '1', ' ', 'é', '😀', '.', '-', ']', '/', '\n', '\t', '\0'];
    const text = fc.string({ unit: fc.constantFrom(...units), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (source, value) => {
        fc.pre((source.match(/\?<name>/g) ?? []).length < 2);
        expect(compilePattern(source).test(value)).toBe(matchesSomewhere(source, value));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(['^(a+)+$', '^(a|a)*$', '(a*)*b', '^(.*)*x$', '(a|aa)+$'])('cannot hang: %s', (pattern) => {
    const spent = busyFor(() => expect(compilePattern(pattern).test(`${'a'.repeat(100_000)}!`)).toBe(false));
    expect(spent).toBeLessThan(1_000);
  });

  test('values that are too long for a large pattern are refused', () => {
    const { longest } = compilePattern('^[ACGT]{1,900}$');
    const [reason] = check('^[ACGT]{1,900}$', 'A'.repeat(longest + 1));
    expect(reason).toContain(`is longer than ${longest}`);
    expect(compilePattern('^[A-Z]+$').longest).toBeGreaterThan(500_000);
  });
});
