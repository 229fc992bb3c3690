import { JsonLines } from '@osa/cli/input/json-lines';
import { asOsaError } from '@osa/core/error';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

/** JSON however it is laid out, as a line for each record. */

function cut(text: string, size = text.length): string {
  const bytes = Buffer.from(text);
  const lines = new JsonLines('x.json');
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    out.push(
      ...[...lines.cut(Buffer.from(bytes.subarray(at, at + size)))].map((piece) => Buffer.from(piece)),
    );
  }
  out.push(...lines.end());
  return Buffer.concat(out).toString();
}

const records = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line));

test('any list of values comes out value by value, whatever its layout and the pieces in which it is read', () => {
  const layouts = [undefined, 1, 2, '\t'];
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue()),
      fc.constantFrom(...layouts),
      fc.integer({ min: 1, max: 9 }),
      (list, indent, size) => {
        const text = JSON.stringify(list, null, indent);
        expect(records(cut(text, size))).toEqual(JSON.parse(text));
      },
    ),
  );
});

test('objects one after the other come out one by one', () => {
  expect(records(cut('{\n "a": 1\n}\n{"b":\r\n [1, {"c": "}"}]}{"d":"\\"{"}', 3))).toEqual([
    { a: 1 },
    { b: [1, { c: '}' }] },
    { d: '"{' },
  ]);
});

test('a record is on the line on which it begins', () => {
  const out = cut('[\n\n  {\n    "a": 1\n  },\n  {"a": 2}\n]\n').split('\n');
  expect(out.map((line) => line.replaceAll(' ', ''))).toEqual(['', '', '{"a":1}', '', '', '{"a":2}', '']);
});

describe('refuses, with the line,', () => {
  test.each([
    ['a list that is cut off', '[{"a": 1},\n', 2],
    ['a record that is cut off', '[\n{"a": [1\n', 3],
    ['a line break within a text', '[{"a": "x\ny"}]', 2],
    ['what follows the list', '[{}]\n{}', 2],
  ])('%s', (_, text, line) => {
    let found: unknown;
    try {
      cut(text);
    } catch (error) {
      found = error;
    }
    expect(asOsaError(found)).toMatchObject({ code: 'usage', details: { line } });
  });
});
