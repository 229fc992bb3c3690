import { recordTraceLines } from '@osa/cli/commands/trace/lines';
import { readRecords } from '@osa/core/data/read';
import { bounds } from '@osa/core/limits';
import { traceRecord } from '@osa/core/trace/trace';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';

/** The trace of a record with more rows than it lists. */

let bench: CoreArchive;
beforeAll(async () => {
  bench = await coreArchive();
});
afterAll(() => bench.dispose());

test('lists the first thousand rows, and says how many there are', async () => {
  const rowsEach = (count: number) => ({
    code: hookCode(`return { features: Array.from({ length: ${count} }, (_, value) => ({ value })) }`),
    cardinality: 'many' as const,
  });
  await bench.deploy({ a_few: rowsEach(2), b_many: rowsEach(1_500), c_last: rowsEach(3) });
  await bench.ingest([record('a', 1)]);
  await bench.drain();
  const { rows } = await readRecords(bench.store, 'bench-record', { limit: 1, history: false });
  const trace = await traceRecord(bench.store, rows[0]?.srn ?? '');
  expect(trace.row_count).toBe(1_505);
  expect(trace.rows).toHaveLength(bounds.tracedRows);
  const told = (hook: string) =>
    trace.rows.filter((row) => row.hook === hook).map(({ values }) => values.value);
  expect(told('a_few')).toEqual([0, 1]);
  expect(told('b_many')).toEqual(Array.from({ length: 998 }, (_, value) => value));
  expect(told('c_last')).toEqual([]);
  expect(JSON.stringify(recordTraceLines(trace).at(-1))).toContain('… and 505 more rows');
  const shown = recordTraceLines({ ...trace, row_count: bounds.tracedRows });
  expect(JSON.stringify(shown)).not.toContain('more rows');
});
