import { madeFrom } from '@osa/cli/commands/init/from';
import { ColumnLook } from '@osa/cli/commands/init/infer-column';
import { chooseColumns, Numbering } from '@osa/cli/input/columns';
import { nested } from '@osa/cli/input/flat';
import { parseManifest } from '@osa/core/convention/manifest/read';
import { asOsaError } from '@osa/core/error';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/** The command that `osa init --from` shows reads each table for which it makes a dataset. */

const title = fc.oneof(
  fc.constantFrom(
    'id',
    'ID',
    'source_id',
    'Source_ID',
    'srn',
    'version',
    'created_at',
    'local_times',
    '',
    '#',
  ),
  fc.constantFrom(
    'A b',
    'a-b',
    'a_b',
    'a_b_2',
    'A',
    'x',
    '-',
    '--id',
    '%',
    '7',
    'metadata',
    'Ä',
    '名前',
    'key',
  ),
  fc.string({ maxLength: 70 }).map((text) => text.trim()),
);
const cell = fc.constantFrom('', '1', '2', 'a', 'b', 'true', '2024-01-31', '2e-400');
const table = fc
  .tuple(fc.array(title, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 4 }))
  .chain(([titles, rows]) =>
    fc.tuple(
      fc.constant(titles),
      fc.array(fc.array(cell, { minLength: titles.length, maxLength: titles.length }), {
        minLength: rows,
        maxLength: rows,
      }),
    ),
  );

function made(titles: readonly string[], rows: readonly (readonly string[])[]) {
  const looks = titles.map((name) => new ColumnLook(name));
  for (const row of rows) for (const [index, look] of looks.entries()) look.add(row[index] ?? '');
  const columns = looks.map((look) => look.column(rows.length));
  const survey = { columns, records: rows.length, isNested: false };
  const { files, choices } = madeFrom('x.csv', survey, { slug: 'x-data', jsonSchema: {} });
  const yaml = files[0]?.[1] ?? '';
  const { fields } = parseManifest(yaml, { file: 'convention.yaml', images: new Map() }).schema;
  return { fields: fields.map((field) => ({ ...field, cardinality: 'exactly_one' as const })), choices };
}

/** Undefined where no dataset can be made. */
function madeIfAny(...parts: Parameters<typeof made>) {
  try {
    return made(...parts);
  } catch (error) {
    if (asOsaError(error)?.code !== 'usage') throw error;
    return undefined;
  }
}

test('each column of a table is then the id, a field, or left out by name', () => {
  let read = 0;
  fc.assert(
    fc.property(table, ([titles, rows]) => {
      const dataset = madeIfAny(titles, rows);
      if (!dataset) return;
      read += 1;
      const { fields, id } = chooseColumns('x.csv', titles, dataset);
      const isPublished = ['srn', 'source_id'].every((name) => titles.includes(name));
      for (const [index, name] of titles.entries()) {
        if (fields[index] === undefined && index !== id && !isPublished) expect(name).toBe('');
      }
      expect(fields.filter(Boolean)).toHaveLength(dataset.fields.length);
    }),
    { numRuns: 2_000 },
  );
  expect(read).toBeGreaterThan(200);
});

test('each required member of flat JSON is then there', async () => {
  await fc.assert(
    fc.asyncProperty(table, async ([titles, rows]) => {
      const dataset = madeIfAny(titles, rows);
      if (!dataset) return;
      const lines = rows.map((row) => Object.fromEntries(titles.map((name, index) => [name, row[index]])));
      const text = async function* () {
        for (const line of lines) yield `${JSON.stringify(line)}\n`;
      };
      const choices = { ...dataset.choices, id: dataset.choices.id ?? idTitle(titles) };
      for await (const line of nested('x.ndjson', text(), {
        fields: dataset.fields,
        choices,
        numbers: new Numbering(),
      })) {
        const { metadata } = JSON.parse(line);
        const names = dataset.fields.map((field) => field.name);
        expect(Object.keys(metadata).filter((name) => !names.includes(name))).toEqual([]);
        expect(names.filter((name) => !(name in metadata))).toEqual([]);
      }
    }),
  );
});

function idTitle(titles: readonly string[]): string | undefined {
  return ['source_id', 'id'].flatMap((word) => titles.filter((name) => name.toLowerCase() === word))[0];
}
