import { readArrayLiteral } from '@osa/core/array-literal';
import { describe, expect, test } from 'vitest';
import { accepted, refused } from '../support/fixtures/json-texts.ts';
import { allChunks, column, contractOf, outputDirectory, said } from '../support/output-support.ts';
import { jsonSuites, naughtyCollections } from '../support/vectors.ts';

/**
 * Texts by the hundred: our own, and where somebody gives them the two collections that others publish for this (`vectors.ts`).
 */

const { read, write } = outputDirectory();
const contract = contractOf([
  column('energy_j', 'number', { required: true }),
  column('label', 'string'),
  column('detail', 'object'),
]);
const good = { id: 'good', features: [{ energy_j: 1, label: 'a' }] };

describe.each(naughtyCollections)('rows-28: naughty strings, %s', (_, strings) => {
  test('come back as they were written, as ids and values', async () => {
    expect(strings.length).toBeGreaterThan(100);
    const ids = strings.filter((text) => text !== '');
    await write(
      'features.jsonl',
      ids.map((id) => ({ id, features: [{ energy_j: 1, label: id }] })),
    );
    const reader = await read({ contract, recordIds: ids });
    expect(ids.filter((id) => said(reader, id) !== 'passed')).toEqual([]);
    const chunks = await allChunks(reader);
    expect(chunks.flatMap(({ recordIds }) => recordIds)).toEqual(ids);
    expect(chunks.flatMap(({ columns }) => readArrayLiteral(columns[1] ?? '{}'))).toEqual(ids);
  });

  test('are no columns', async () => {
    const names: readonly string[] = contract.columns.map(({ name }) => name);
    const keys = strings.filter((text) => !names.includes(text));
    await write(
      'features.jsonl',
      keys.map((key, index) => `{"id":"${index}","features":[{"energy_j":1,${JSON.stringify(key)}:1}]}`),
    );
    const reader = await read({ contract, recordIds: keys.map((_key, index) => `${index}`) });
    for (const index of keys.keys()) expect(said(reader, `${index}`)).toMatch(/^errored: .*column/s);
    expect(reader.judgement).toMatchObject({ rowCount: 0, strayLines: 0, failure: null });
  });
});

describe('rows-29: texts that are JSON and texts that are not', () => {
  test('ours, on a line of their own, cost no other line anything', async () => {
    const texts = [...accepted, ...refused].filter((text) => !/[\n\r]/.test(text) && text.trim() !== '');
    for (const text of texts) {
      await write('features.jsonl', `${text}\n${JSON.stringify(good)}\n`);
      const reader = await read({ contract, recordIds: ['good'] });
      expect(said(reader, 'good'), text).toBe('passed');
      expect(reader.judgement, text).toMatchObject({ rowCount: 1, strayLines: 1, failure: null });
    }
  });

  /** JSON that has two readings or that PostgreSQL cannot hold; README.md says that it is refused. */
  const refusedByRule = [
    'y_object_duplicated_key.json',
    'y_object_duplicated_key_and_value.json',
    'y_object_escaped_null_in_key.json',
    'y_string_null_escape.json',
  ];
  /**
   * RFC 8259 leaves the size of integers open: an object keeps their digits. Everything else that it leaves open is
   * refused.
   */
  const acceptedByRule = [
    'i_number_too_big_neg_int.json',
    'i_number_too_big_pos_int.json',
    'i_number_very_big_negative_int.json',
  ];

  test.each(jsonSuites)('JSONTestSuite, as values of a line and as lines', async (suite) => {
    const answers: Record<string, boolean> = {};
    for (const { name, bytes } of suite) {
      // A blank of JSON would end the line; the other line end is a blank, too.
      const value = Buffer.from(bytes.map((byte) => (byte === 0x0a ? 0x0d : byte)));
      const line = Buffer.concat([
        Buffer.from('{"id":"a","features":[{"energy_j":1,"detail":{"v":'),
        value,
        Buffer.from(`}}]}\n${JSON.stringify(good)}\n`),
      ]);
      await write('features.jsonl', line);
      const reader = await read({ contract, recordIds: ['a', 'good'] });
      expect(said(reader, 'good'), name).toBe('passed');
      expect(reader.judgement, name).toMatchObject({ strayLines: 0, failure: null });
      answers[name] = said(reader, 'a') === 'passed';
      await write('features.jsonl', Buffer.concat([bytes, Buffer.from(`\n${JSON.stringify(good)}\n`)]));
      const alone = await read({ contract, recordIds: ['good'] });
      expect(said(alone, 'good'), name).toBe('passed');
      expect(alone.judgement, name).toMatchObject({ rowCount: 1, failure: null });
    }
    const names = Object.keys(answers);
    const expected = (name: string) =>
      (name.startsWith('y_') && !refusedByRule.includes(name)) || acceptedByRule.includes(name);
    expect(names.filter((name) => answers[name] !== expected(name))).toEqual([]);
    const counts = ['y_', 'n_', 'i_'].map((kind) => names.filter((name) => name.startsWith(kind)).length);
    expect(counts).toEqual([95, 188, 35]);
  });
});
