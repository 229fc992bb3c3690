import { type Choices, chooseColumns, fieldNameOf } from '@osa/cli/input/columns';
import { formatOf } from '@osa/cli/input/format';
import { separatorOf } from '@osa/cli/input/table';
import { asOsaError } from '@osa/core/error';
import { type Field, readCell } from '@osa/core/record/cell';
import { describe, expect, test } from 'vitest';

const field = (type: Field['type'], more: Partial<Field> = {}): Field => ({
  name: 'value',
  type,
  required: false,
  cardinality: 'exactly_one',
  ...more,
});

describe('a cell', () => {
  test.each([
    ['number', '1.10', '1.10'],
    ['number', ' 12345678901234567890 ', '12345678901234567890'],
    ['number', '-0', '-0'],
    ['number', '1E+5', '1E+5'],
    ['text', ' a "b"\nc ', '" a \\"b\\"\\nc "'],
    ['text', '007', '"007"'],
    ['boolean', 'Yes', 'true'],
    ['boolean', '0', 'false'],
    ['boolean', 'F', 'false'],
    ['date', ' 2026-01-31', '"2026-01-31"'],
    ['url', 'https://example.org ', '"https://example.org"'],
  ] as const)('of a %s field, %j, is %s', (type, cell, json) => {
    expect(readCell(field(type), cell)).toEqual({ json });
  });

  test.each(['number', 'boolean', 'date', 'url', 'text'] as const)(
    'that is empty is absent from a %s field',
    (type) => {
      expect(readCell(field(type), '')).toBeUndefined();
      expect(readCell(field(type, { cardinality: 'zero_or_more' }), '')).toBeUndefined();
    },
  );

  test('of several values is a JSON list, or one value', () => {
    const many = field('number', { cardinality: 'one_or_more' });
    expect(readCell(many, '[1.0, 2]')).toEqual({ json: '[1.0, 2]' });
    expect(readCell(many, '1.50')).toEqual({ json: '[1.50]' });
    expect(readCell(many, '[1')?.problem).toContain('not a JSON list');
  });

  test.each([
    ['1,5', 'decimal comma'],
    ['1.234,56', 'decimal comma'],
    ['1,234', 'separators of thousands'],
    ['1,234,567.8', 'separators of thousands'],
    ['007', 'leading zeros'],
    ['.5', 'as JSON does'],
    ['12 kg', 'as JSON does'],
    ['N/A', 'leave the cell empty'],
    ['NaN', 'leave the cell empty'],
    ['-', 'leave the cell empty'],
    ['abc', 'is not a number'],
    ['2e-400', 'beyond the range of a double'],
    ['1e400', 'beyond the range of a double'],
  ])('of a number field, %j, is told with what helps', (cell, said) => {
    const read = readCell(field('number'), cell);
    expect(read).toMatchObject({ json: JSON.stringify(cell), problem: expect.stringContaining(said) });
    expect(read?.problem).toContain(JSON.stringify(cell));
  });

  test('of a boolean field is not guessed', () => {
    expect(readCell(field('boolean'), 'maybe')?.problem).toContain('"maybe" is not true or false');
  });
});

describe('columns', () => {
  const fields = ['mass', 'mean_radius'].map((name) => field('number', { name }));
  const choices: Choices = { id: undefined, map: [], ignore: [], fill: false };
  const choose = (titles: readonly string[], given: Partial<Choices> = {}) =>
    chooseColumns('x.csv', titles, { fields, choices: { ...choices, ...given } });
  const refusalOf = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      return asOsaError(error)?.message;
    }
    return undefined;
  };

  test('are fields by their name, or by a title that spells it', () => {
    const { fields: chosen, id } = choose(['Mean Radius', 'ID', 'mass']);
    expect([id, chosen.map((one) => one?.name)]).toEqual([1, ['mean_radius', undefined, 'mass']]);
    expect(choose(['meanRadius', 'source_id', 'id', 'mass'], { ignore: ['id'] }).id).toBe(1);
  });

  test('are mapped, left out, and numbered', () => {
    const map = [{ field: 'mass', column: 'M (kg)' }];
    const { fields: chosen, id } = choose(['M (kg)', 'mass', 'x'], { map, ignore: ['x', 'mass'], id: '#' });
    expect([id, chosen.map((one) => one?.name)]).toEqual([undefined, ['mass', undefined, undefined]]);
  });

  test('of an id may be a field as well', () => {
    expect(choose(['mass'], { id: 'mass' })).toMatchObject({ id: 0, fields: [{ name: 'mass' }] });
  });

  test.each([
    ['no id', ['mass'], {}, '--id COLUMN'],
    ['another id', ['id', 'mass'], { id: 'ids' }, 'did you mean id?'],
    ['an unknown column', ['id', 'maas'], {}, 'did you mean mass?'],
    ['a column without a title', ['id', ''], {}, "--ignore ''"],
    ['a title twice', ['id', 'mass', 'mass'], {}, '"mass" is there twice'],
    ['a mapping to no field', ['id', 'm'], { map: [{ field: 'masse', column: 'm' }] }, 'did you mean mass?'],
    [
      'a mapping of no column',
      ['id', 'mass'],
      { map: [{ field: 'mass', column: 'mas' }] },
      'no column "mas"',
    ],
    ['nothing to leave out', ['id', 'mass'], { ignore: ['mas'] }, 'did you mean mass?'],
    ['two columns of one field', ['id', 'mean radius', 'MeanRadius'], {}, 'mean_radius'],
  ])('with %s are refused with what helps', (_, titles, given, said) => {
    expect(refusalOf(() => choose(titles, given))).toContain(said);
  });

  test('without a required field are refused', () => {
    const required = [field('number', { name: 'mass', required: true })];
    const act = () => chooseColumns('x.csv', ['id'], { fields: required, choices });
    expect(refusalOf(act)).toContain('--map mass=COLUMN');
  });

  test.each([
    ['Miles per Gallon', 'miles_per_gallon'],
    ['Größe (cm)', 'grosse_cm'],
    ['2nd', 'x_2nd'],
    ['airportName', 'airport_name'],
    ['%', 'x'],
  ])('titled %j are the field %s', (title, name) => {
    expect(fieldNameOf(title)).toBe(name);
  });
});

test.each([
  ['x', '{"a": 1}\n{"a": 2}\n', 'ndjson'],
  ['x.csv', '{"a": 1}\n', 'ndjson'],
  ['x', '{\n"a": 1}\n', 'json'],
  ['x.ndjson', ' [{"a": 1}]', 'json'],
  ['x', 'a,b\n1,2\n', 'csv'],
  ['x.tsv.gz', 'a\tb\n', 'tsv'],
  ['x.jsonl', 'oops', 'ndjson'],
  ['x', '', 'ndjson'],
])('%s with %j is %s', (name, head, format) => {
  expect(formatOf(name, head)).toBe(format);
});

test.each([
  ['a,b;c,d\n', ','],
  ['a;b\n1,5;2\n', ';'],
  ['\n"a;b;c",d\n', ','],
  ['a\tb', '\t'],
  ['a|b|c', '|'],
  ['a', ','],
])('cells of %j are separated by %j', (head, separator) => {
  expect(separatorOf(head)).toBe(separator);
});
