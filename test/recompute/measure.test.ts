import { parseExactJson } from '@osa/core/json/exact';
import type { Tolerances } from '@osa/core/recompute/comparison/comparisons';
import { Measure } from '@osa/core/recompute/comparison/measure';
import { expect, test } from 'vitest';

/** Two values of a column as JSON text, compared within a tolerance. */
function compared(before: string, after: string, tolerance: Tolerances[string] = {}) {
  const columns = [{ name: 'value', json_type: 'number', required: true } as const];
  const measure = new Measure(
    { kind: 'table', cardinality: 'one', columns },
    { tolerances: { value: tolerance }, keys: [] },
  );
  const row = (text: string) => ({ name: 'probe/1', values: { value: parseExactJson(text) } });
  measure.add({ srn: 'x', before: 'passed', rows: [row(before)] } as never, { status: 'passed' } as never, [
    row(after) as never,
  ]);
  const { columns: made, changed_records } = measure.report();
  return { ...made[0], changed_records };
}

test.each([
  // The doubles of the first two are equal, and those of the next two are four apart.
  ['9007199254740992', '9007199254740993', 1],
  ['9007199254740992', '9007199254740995', 3],
  ['-9223372036854775808', '9223372036854775807', 2 ** 64],
  ['17', '20', 3],
])('the integers %s and %s are as far apart as they are', (before, after, apart) => {
  expect(compared(before, after)).toMatchObject({ max_abs: apart, beyond: 1 });
  expect(compared(before, after, { abs: apart })).toMatchObject({ changed_records: 0, differ: 1, beyond: 0 });
  expect(compared(before, after, { abs: apart * 0.99 })).toMatchObject({ changed_records: 1, beyond: 1 });
  expect(compared(before, after, { abs: 0, rel: 0 })).toMatchObject({ changed_records: 1, beyond: 1 });
});

test('numbers whose difference is beyond all doubles are beyond each tolerance that is smaller', () => {
  const far = compared('1.5e308', '-1.5e308', { abs: 1e308 });
  expect(far).toMatchObject({ max_rel: 2, max_abs: Number.MAX_VALUE, beyond: 1 });
  expect(compared('1.5e308', '-1.5e308', { rel: 2 })).toMatchObject({ beyond: 0 });
  expect(compared('5e-324', '1e-323')).toMatchObject({ max_abs: 5e-324, max_rel: 0.5 });
});

test('the ten examples have some of each kind, also of one that comes last', () => {
  const columns = ['a', 'b', 'c', 'd'].map(
    (name) => ({ name, json_type: 'number', required: true }) as const,
  );
  const measure = new Measure({ kind: 'table', cardinality: 'one', columns }, { tolerances: {}, keys: [] });
  const row = (id: number, value: number) => ({
    name: `probe/${id}`,
    values: { a: value, b: value, c: value, d: value },
  });
  const add = (id: number, status: string, after: object[]) =>
    measure.add(
      { srn: `r${id}`, before: 'passed', rows: [row(id, 0)] } as never,
      { status, reason: 'no' } as never,
      after as never,
    );
  for (let id = 0; id < 50; id += 1) add(id, 'passed', [row(id, 1)]);
  add(50, 'rejected', []);
  const { examples } = measure.report();
  expect(examples).toHaveLength(10);
  expect(
    Map.groupBy(examples, ({ what }) => what)
      .keys()
      .toArray()
      .sort(),
  ).toEqual(['a', 'b', 'c', 'd', 'outcome', 'row removed']);
  expect(examples.at(-2)).toMatchObject({ record_srn: 'r50', what: 'outcome', after: 'rejected: no' });
});
