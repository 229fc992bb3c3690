import { readRecords } from '@osa/core/data/read';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { readRows } from './read-rows.ts';

/** Pages are made in steps of 256: wherever they end, each row is in one of them, in its order. */

const count = 770;
let bench: CoreArchive;
beforeAll(async () => {
  bench = await coreArchive();
  await bench.deploy({ probe: { code: hookCode('return { features: [{ value: metadata.value }] }') } });
  await bench.ingest(Array.from({ length: count }, (_, n) => record(`r${n}`, n)));
  await bench.drain();
});
afterAll(() => bench.dispose());

const readers = {
  records: (page: { limit: number; cursor?: string }) =>
    readRecords(bench.store, 'bench-record', { ...page, history: false }),
  rows: (page: { limit: number; cursor?: string }) =>
    readRows(bench.store, 'bench-record', 'probe', { ...page, history: false, release: 1 }),
};

const all: Record<string, unknown[]> = {};
test.each(
  ['records' as const, 'rows' as const].flatMap((list) =>
    [1_000, count, count - 1, 513, 512, 257, 256, 255, 100].map((limit) => [list, limit] as const),
  ),
)('%s, %i a page', async (list, limit) => {
  const found: unknown[] = [];
  const sizes: number[] = [];
  for (let page: { limit: number; cursor?: string } = { limit }; ; ) {
    const { rows, has_more, next_cursor } = await readers[list](page);
    sizes.push(rows.length);
    found.push(...rows.map(({ id }) => id));
    expect(has_more).toBe(next_cursor !== null);
    if (next_cursor === null) break;
    page = { limit, cursor: next_cursor };
  }
  const whole = Math.floor(count / limit);
  expect(sizes).toEqual([...Array(whole).fill(limit), ...(count % limit === 0 ? [] : [count % limit])]);
  expect(new Set(found).size).toBe(count);
  all[list] ??= found;
  expect(found).toEqual(all[list]);
});

test('of a release that has never run there are none', async () => {
  const page = { limit: 10, history: true, release: 7 };
  expect(await readRows(bench.store, 'bench-record', 'probe', page)).toMatchObject({
    rows: [],
    next_cursor: null,
    has_more: false,
  });
  const strange = readRows(bench.store, 'bench-record', 'probe', { ...page, cursor: 'garbage' });
  await expect(strange).rejects.toMatchObject({ code: 'invalid', field: 'cursor' });
});
