import { chooseColumns, Numbering } from '@osa/cli/input/columns';
import { nested } from '@osa/cli/input/flat';
import { expect, test } from 'vitest';

/** Two columns or members are never one field, and one is never two, since a value would be lost. */

const field = (name: string) => ({
  ...{ name, type: 'number' as const, cardinality: 'exactly_one' as const },
  required: false,
});
const fields = [field('n'), field('m')];
const choices = { id: 'id', map: [], ignore: [], fill: false };
const toBoth = { ...choices, map: [...'nm'].map((name) => ({ field: name, column: 'x' })) };

async function read(record: object, given: Parameters<typeof nested>[2]['choices'] = choices) {
  const lines = [];
  const text = async function* () {
    yield `${JSON.stringify(record)}\n`;
  };
  const options = { fields, choices: given, numbers: new Numbering() };
  for await (const line of nested('x.ndjson', text(), options)) lines.push(JSON.parse(line));
  return lines;
}

test('a column that --map names for two fields is refused', async () => {
  const problem = /--map: the column "x" is two fields, n and m/;
  expect(() => chooseColumns('x.csv', ['id', 'x'], { fields, choices: toBoth })).toThrow(problem);
  await expect(read({ id: 'a', x: 1 }, toBoth)).rejects.toThrow(problem);
});

test('two members of a record that are one field are refused, with the line', async () => {
  const problem = /x\.ndjson line 1: the members "N" and "n" are both the field n/;
  await expect(read({ id: 'a', N: 1, n: 2 })).rejects.toThrow(problem);
  const map = [{ field: 'n', column: 'x' }];
  await expect(read({ id: 'a', x: 1, n: 2 }, { ...choices, map })).rejects.toThrow(/"x" and "n"/);
  expect(await read({ id: 'a', N: 1, n: 2 }, { ...choices, ignore: ['N'] })).toEqual([
    { source_id: 'a', metadata: { n: 2 } },
  ]);
});

test('a table with very many columns that are no fields shows some of them', () => {
  const titles = ['id', ...Array.from({ length: 5_000 }, (_, index) => `c${index}`)];
  expect.assertions(2);
  try {
    chooseColumns('x.csv', titles, { fields, choices });
  } catch (error) {
    const lines = String((error as Error).message).split('\n');
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe('4980 more of the columns and fields do not fit');
  }
});

test('a column without a title is only left out, since --map cannot name it', () => {
  expect(() => chooseColumns('x.csv', ['id', '', ''], { fields, choices })).toThrow(
    /column without a title is not a field of the schema: --ignore '' leaves it out$/,
  );
});
