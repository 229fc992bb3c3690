import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { checkLines, checkRecords } from '@osa/cli/commands/ingestions/check';
import { ColumnLook, newRooms } from '@osa/cli/commands/init/infer-column';
import type { RecordsInput } from '@osa/cli/input/input';
import { pipe, render } from '@osa/cli/terminal/paint';
import { expect, test } from 'vitest';

/** Ids are kept to find one that is there twice, in memory that does not grow with the file. */

function heapMiB(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

test('a table of many columns without the same value twice is looked at in bounded memory', () => {
  const rooms = newRooms();
  const looks = Array.from({ length: 100 }, (_, index) => new ColumnLook(`column ${index}`, rooms));
  const key = new ColumnLook('key', rooms);
  const before = heapMiB();
  for (let row = 0; row < 8_000; row++) {
    for (const [index, look] of looks.entries()) look.add(`${row} of ${index} `.padEnd(150, 'x'));
    // The same one again, long after the others have used up their memory.
    key.add(String(row === 7_999 ? 7_000 : row));
  }
  expect(heapMiB() - before).toBeLessThan(60);
  expect(looks.map((look) => look.column(8_000).isUnique)).not.toContain(false);
  expect(key.column(8_000).isUnique).toBe(false);
});

test('a value that is there twice leaves its memory to other columns', () => {
  const rooms = newRooms();
  const [one, other] = [new ColumnLook('one', rooms), new ColumnLook('other', rooms)];
  for (let row = 0; row < 1_000; row++) one.add(String(row));
  const left = rooms.others.bytes;
  one.add('7');
  expect(rooms.others.bytes).toBeGreaterThan(left + 50_000);
  for (const cell of ['a', 'b', 'a']) other.add(cell);
  expect(other.column(3).isUnique).toBe(false);
});

test('a check says of how many records it has compared the ids', async () => {
  const records = 60_000;
  const long = 'x'.repeat(900);
  async function* lines() {
    for (let n = 0; n < records; n++) yield Buffer.from(`{"source_id":"${long}${n}","metadata":{}}\n`);
  }
  const told: number[] = [];
  const input = { open: lines, read: () => ({ bytes: 7, total: 9 }), placeOf: () => undefined };
  const checked = await checkRecords(
    input as unknown as RecordsInput,
    {
      convention: 'x',
      schema: { id: 'x', version: '1.0.0' },
      fields: [],
      openText: false,
      files: { accepted_types: [], min_count: 0, max_count: 0, max_file_size: 1 },
    },
    { progress: { reading: (read) => told.push(read) }, stop: new AbortController().signal },
  );
  expect(checked).toMatchObject({ ok: true, records, invalid: 0, refused: null });
  expect(checked.compared).toBeGreaterThan(10_000);
  expect(checked.compared).toBeLessThan(records);
  expect(
    checkLines(checked)
      .map((said) => render(said, pipe))
      .join(''),
  ).toMatch(/seen for the first \d\d,\d\d\d records only/);
  expect(told).toHaveLength(records);
});
