import { madeFrom } from '@osa/cli/commands/init/from';
import { ColumnLook, newRooms } from '@osa/cli/commands/init/infer-column';
import { chooseColumns, Numbering } from '@osa/cli/input/columns';
import { nested } from '@osa/cli/input/flat';
import { parseManifest } from '@osa/core/convention/manifest/read';
import { asOsaError } from '@osa/core/error';
import { metadataChecker } from '@osa/core/record/check';
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
  const rooms = newRooms();
  const looks = titles.map((name) => new ColumnLook(name, rooms));
  for (const row of rows) for (const [index, look] of looks.entries()) look.add(row[index] ?? '');
  const columns = looks.map((look) => look.column(rows.length));
  const survey = { columns, records: rows.length, short: 0, isNested: false, isFlat: false };
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

const single = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    'a',
    '1',
    '1.5',
    '-0',
    'true',
    'no',
    '2024-01-31',
    ' 2024-01-31',
    'https://example.org/a',
  ),
  fc.constantFrom<unknown>(0, -1.5, 1e300, true, false),
);
const json = fc.oneof(
  { weight: 6, arbitrary: single },
  { weight: 2, arbitrary: fc.array(single, { maxLength: 2 }) },
  fc.constantFrom<unknown>(null, {}, { a: 1 }, [[1]], [null], [{}]),
);
/** Members whose values are alike, and some whose are not. */
const objects = fc.array(
  fc.tuple(fc.constantFrom('a', 'b', 'C d', 'id', 'key'), fc.array(json, { minLength: 3, maxLength: 3 })),
  {
    minLength: 1,
    maxLength: 5,
  },
);

test('each record of flat JSON fits the schema that is made of it, or the oddities say why not', async () => {
  let read = 0;
  const check = async (members: readonly (readonly [string, readonly unknown[]])[]) => {
    const records = [0, 1, 2].map((row) =>
      Object.fromEntries([
        ['n', row + 0.5] as const,
        ...members.map(([name, values]) => [name, values[row]] as const),
      ]),
    );
    const rooms = newRooms();
    const looks = new Map<string, ColumnLook>();
    for (const record of records) {
      for (const [name, value] of Object.entries(record)) {
        const look = looks.get(name) ?? new ColumnLook(name, rooms);
        looks.set(name, look);
        look.addJson(value);
      }
    }
    const columns = [...looks.values()].map((look) => look.column(records.length));
    const survey = { columns, records: records.length, short: 0, isNested: false, isFlat: true };
    const { files, choices, oddities } = madeFrom('x.json', survey, { slug: 'x-data', jsonSchema: {} });
    const { fields } = parseManifest(files[0]?.[1] ?? '', {
      file: 'convention.yaml',
      images: new Map(),
    }).schema;
    expect(choices.id).toBeDefined();
    const checker = metadataChecker(
      fields.map((field) => ({ ...field, cardinality: field.cardinality ?? 'exactly_one' })),
      { openText: false },
    );
    const text = async function* () {
      for (const record of records) yield `${JSON.stringify(record)}\n`;
    };
    const reasons: string[] = [];
    for await (const line of nested('x.ndjson', text(), { fields, choices, numbers: new Numbering() })) {
      const { source_id, metadata } = JSON.parse(line);
      expect(source_id).toEqual(expect.stringMatching(/./));
      reasons.push(...checker(metadata, { left: 1e6 }));
    }
    if (!oddities.some((oddity) => oddity.includes('invalid'))) {
      read += 1;
      expect(reasons).toEqual([]);
    }
  };
  await fc.assert(fc.asyncProperty(objects, check), { numRuns: 500 });
  // About 58 of them are read.
  expect(read).toBeGreaterThan(20);
});

function idTitle(titles: readonly string[]): string | undefined {
  return ['source_id', 'id'].flatMap((word) => titles.filter((name) => name.toLowerCase() === word))[0];
}
