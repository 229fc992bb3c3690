import { filledFields } from '@osa/core/deposition/sheet-fields';
import { readSheet } from '@osa/core/deposition/spreadsheet/read';
import { writeSheet } from '@osa/core/deposition/spreadsheet/write';
import type { Field } from '@osa/core/record/cell';
import { describe, expect, test } from 'vitest';
import { refusal } from '../support/database/registry-support.ts';
import { row, workbook } from './workbook.ts';

const field = (
  name: string,
  type: Field['type'],
  cardinality: Field['cardinality'] = 'exactly_one',
): Field => ({
  name,
  type,
  cardinality,
  required: false,
});
const fields = [
  ...[field('title', 'text'), field('mass', 'number'), field('cast_on', 'date')],
  ...[field('sound', 'boolean'), field('tags', 'text', 'zero_or_more')],
];
const names = fields.map(({ name }) => name);

async function filled(values: readonly string[], options?: Parameters<typeof workbook>[1]) {
  const bytes = await workbook(row(1, ...names) + row(3, ...values), options);
  return filledFields(await readSheet(bytes, 3), fields);
}

describe('values', () => {
  test('are those of their fields, whichever way a program keeps them', async () => {
    const read = await filled(
      [
        '<c t="s"><v>1</v></c>',
        '<c><v>1.74</v></c>',
        '<c><v>45658</v></c>',
        '<c t="b"><v>1</v></c>',
        '["a","b"]',
      ],
      { shared: ['<t>other</t>', '<r><t>Haemo</t></r><r><t>globin</t></r><rPh><t>spoken</t></rPh>'] },
    );
    expect(read).toEqual({
      metadata: { title: 'Haemoglobin', mass: 1.74, cast_on: '2025-01-01', sound: true, tags: ['a', 'b'] },
      warnings: [],
      errors: [],
    });
  });

  test.each([
    ['of days since 1904', '<workbookPr date1904="1"/>', '<c><v>44196</v></c>', '2025-01-01'],
    ['written out', '', '2025-01-01', '2025-01-01'],
    ['the first that is counted right', '', '<c><v>61</v></c>', '1900-03-01'],
    ['the last', '', '<c><v>2958465</v></c>', '9999-12-31'],
  ])('a date is taken %s', async (_what, properties, cell, day) => {
    expect((await filled(['', '', cell], { properties })).metadata).toEqual({ cast_on: day });
  });

  test.each([
    ['a number that is a text', 1, 'heavy'],
    ['a truth in the place of a number', 1, '<c t="b"><v>1</v></c>'],
    ['a number that is none', 1, '<c><v>1e999</v></c>'],
    ['a time of a day', 2, '<c><v>45658.5</v></c>'],
    ['a day that some say never was', 2, '<c><v>60</v></c>'],
    ['an error', 0, '<c t="e"><v>#REF!</v></c>'],
    ['a formula without a value', 1, '<c><f>1+1</f></c>'],
  ])('%s is refused by its field', async (_what, column, cell) => {
    const read = await filled(names.map((_, at) => (at === column ? cell : '')));
    expect(read).toMatchObject({ metadata: {}, errors: [{ field: names[column] }] });
  });

  test('a formula is not run: what was last computed is taken, with a warning', async () => {
    const read = await filled(['', '<c><f>WEBSERVICE("http://x")</f><v>7</v></c>']);
    expect(read).toMatchObject({
      metadata: { mass: 7 },
      warnings: [expect.stringContaining('mass: it is a formula')],
    });
  });

  test('names that are no field, names twice, values without a name and more rows are said', async () => {
    const bytes = await workbook(
      row(1, 'titel', 'mass', 'mass') + row(3, 'x', '<c><v>1</v></c>', '', 'stray') + row(4, 'another'),
    );
    const read = filledFields(await readSheet(bytes, 3), fields);
    expect(read.errors).toMatchObject([
      { field: 'titel', message: expect.stringContaining('did you mean title') },
      { field: 'mass', message: expect.stringContaining('two columns') },
    ]);
    expect(read.warnings).toHaveLength(2);
  });

  test('what is written is read as it was, also what XML would take for markup', async () => {
    const text = ' <b>&amp;"\'\r\nü\u{1F9EC} ]]> _x0041_ ';
    const bytes = await writeSheet(
      [[{ kind: 'text', text }, undefined, { kind: 'number', text: '1.5e-7' }]],
      [],
    );
    const { rows } = await readSheet(bytes, 1);
    expect([...(rows[0] ?? [])].map(([column, cell]) => [column, cell.kind, cell.text])).toEqual([
      [0, 'text', text],
      [2, 'number', '1.5e-7'],
    ]);
  });
});

describe('hostile workbooks', () => {
  const sheet = (inner: string) => ({ 'xl/worksheets/sheet1.xml': inner });
  const entity = (bodies: string) =>
    `<!DOCTYPE x [${bodies}]><worksheet><sheetData>${row(1, '&a;')}</sheetData></worksheet>`;

  test.each([
    ['a sheet that unpacks to 64 MiB', sheet(`<worksheet>${' '.repeat(64 * 2 ** 20)}`), 'too_large'],
    ['a text of 2 MiB', sheet(`<worksheet>${row(1, 'x'.repeat(2 ** 21))}</worksheet>`), 'too_large'],
    ['a cell far to the right', sheet('<worksheet><c r="XFD1"><v>1</v></c></worksheet>'), 'too_large'],
    ['entities of entities', sheet(entity('<!ENTITY a "&b;&b;"><!ENTITY b "lol">')), 'invalid'],
    ['a file as an entity', sheet(entity('<!ENTITY a SYSTEM "file:///etc/passwd">')), 'invalid'],
    ['an entity that is not declared', sheet(`<worksheet>${row(1, '&a;')}</worksheet>`), 'invalid'],
    ['deep nesting', sheet('<a>'.repeat(1_000)), 'invalid'],
    ['a sheet that ends early', sheet('<worksheet><sheetData>'), 'invalid'],
    ['a place that is none', sheet('<worksheet><c r="AAAA1"><v>1</v></c></worksheet>'), 'invalid'],
    ['bytes that are no text', { 'xl/worksheets/sheet1.xml': Buffer.from([0x3c, 0xff, 0xfe]) }, 'invalid'],
    [
      'a text that is not there',
      sheet('<worksheet><row r="1"><c r="A1" t="s"><v>9</v></c></row></worksheet>'),
      'invalid',
    ],
    [
      'a sheet that is elsewhere',
      {
        'xl/_rels/workbook.xml.rels':
          '<R><Relationship Id="rId7" TargetMode="External" Target="http://x"/></R>',
      },
      'invalid',
    ],
    ['no sheet', { 'xl/workbook.xml': '<workbook/>' }, 'invalid'],
    ['many parts', Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`x${n}`, ''])), 'invalid'],
  ])('%s: refused', async (_what, parts, code) => {
    const bytes = await workbook('', { parts: parts as Record<string, string | Buffer> });
    expect(await refusal(readSheet(bytes, 3))).toMatchObject({ code, field: 'file' });
  });

  test('an archive that lies about sizes, is cut, or is none is refused', async () => {
    const whole = await workbook(row(1, 'x'.repeat(1_000)));
    const lying = Buffer.from(whole);
    // The unpacked size of each entry, in the directory.
    const entry = 'PK\u0001\u0002';
    for (let at = lying.indexOf(entry, 0, 'latin1'); at !== -1; at = lying.indexOf(entry, at + 4, 'latin1')) {
      lying.writeUInt32LE(3, at + 24);
    }
    for (const bytes of [lying, whole.subarray(0, -30), Buffer.from('PK not'), Buffer.alloc(0)]) {
      expect(await refusal(readSheet(bytes, 3))).toMatchObject({ code: 'invalid' });
    }
  });
});
