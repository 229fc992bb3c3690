import { rowMark, spelledRows } from '@osa/core/json/written';
import { expect, test } from 'vitest';

test('rows of the database are joined as they are', async () => {
  const rows = ['{"id":1,"note":"1e-7, -0"}', '{"id":2,"x":0.0001,"y":-0.5,"z":123456789012345678}'];
  expect(await spelledRows(rows.join(rowMark))).toBe(rows.join(','));
});

test('numbers have their one spelling, also inside lists and objects, and the rows around them stay as they are', async () => {
  const rows = [
    '{"x":1e-07,"y":-0,"z":1e+20}',
    '{"id":12345678901234567890,"run":"7e-5","list":[-0, 1.5e+300,{"a":-2e-10}]}',
    '{"ms":-0.25,"s":"\\u00e9"}',
  ];
  expect((await spelledRows(rows.join(rowMark))).split('},{')).toEqual([
    '{"x":1e-7,"y":0,"z":100000000000000000000',
    '"id":12345678901234567890,"run":"7e-5","list":[0,1.5e+300,{"a":-2e-10}]',
    '"ms":-0.25,"s":"\\u00e9"}',
  ]);
});

test('no row at all is nothing', async () => {
  expect(await spelledRows('')).toBe('');
});
