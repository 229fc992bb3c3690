import { readWhere } from '@osa/cli/commands/data/where';
import { asOsaError } from '@osa/core/error';
import { expect, test } from 'vitest';

/** The expression of `--where`, and what is said of one that cannot be read. */

const is = (field: string, op: string, value: unknown) => ({ kind: 'predicate', field, op, value });

test.each([
  ['a = 1', is('a', 'eq', 1)],
  ['a == "x \\"y\\""', is('a', 'eq', 'x "y"')],
  ["a != 'it''s'", is('a', 'neq', "it's")],
  ['metadata.a<=-1.5e3', is('metadata.a', 'lte', -1500)],
  ['a is null', is('a', 'is_null', true)],
  ['a IS NOT NULL', is('a', 'is_null', false)],
  ['a in (1, 2)', is('a', 'in', [1, 2])],
  ['a contains "b"', is('a', 'contains', 'b')],
  ['a = true and b = false', { kind: 'and', operands: [is('a', 'eq', true), is('b', 'eq', false)] }],
  [
    'a = 1 or b = 2 and c = 3',
    {
      kind: 'or',
      operands: [is('a', 'eq', 1), { kind: 'and', operands: [is('b', 'eq', 2), is('c', 'eq', 3)] }],
    },
  ],
  [
    'not (a = 1 or b = 2)',
    { kind: 'not', operand: { kind: 'or', operands: [is('a', 'eq', 1), is('b', 'eq', 2)] } },
  ],
])('%s', (text, filter) => {
  expect(JSON.parse(JSON.stringify(readWhere(text).filter))).toEqual(filter);
});

test('numbers keep their digits', () => {
  expect(JSON.stringify(readWhere('a = 12345678901234567890').filter)).toContain(
    '"value":12345678901234567890',
  );
});

test.each([
  ['', 'expected a column', 0],
  ['a', 'expected =', 1],
  ['a >', 'expected a number', 3],
  ['a > x', 'expected a number', 4],
  ['a = "x', 'this quote is not closed', 4],
  ['(a = 1', 'expected ")"', 6],
  ['a = 1 b = 2', 'expected "and"', 6],
  ['a = 1 & b = 2', 'is not expected here', 6],
  ['a = 1.5.2', 'is not expected here', 4],
  ['a in 1', 'expected "("', 5],
  ['💥 = 1', '"💥" is not expected here', 0],
  ['a = "💥" 💥', '"💥" is not expected here', 9],
])('%j is refused with a mark at the place', (text, said, at) => {
  try {
    readWhere(text);
    expect.unreachable();
  } catch (error) {
    const { code, message } = asOsaError(error) ?? {};
    const [problem, line, mark] = message?.split('\n') ?? [];
    expect([code, line, mark]).toEqual(['usage', text, `${' '.repeat(at)}^`]);
    expect(problem).toContain(said);
  }
});

test('a number that no column can have is marked', () => {
  expect(() => readWhere('a = 1 and b = 1e400')).toThrow(
    /1e400 is beyond the range of a double\n.*\n {14}\^/,
  );
});

test.each(['(', 'not '])('any number of %j is no bug', (nested) => {
  const deep = (depth: number) =>
    readWhere(`${nested.repeat(depth)}a = 1${')'.repeat(nested === '(' ? depth : 0)}`);
  expect(deep(99).filter).toBeDefined();
  expect(() => deep(100)).toThrow('nested 100 deep at most');
  expect(() => deep(20_000)).toThrow('nested 100 deep at most');
});
