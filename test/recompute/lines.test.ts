import { countsOf, type Recompute, recomputeLines } from '@osa/cli/commands/recomputes/lines';
import { expect, test } from 'vitest';

const cancelled = {
  ...{ id: '0198c0de-0000-7000-8000-000000000001', hook_name: 'probe', releases: [1], is_list: false },
  ...{ with_missing: false, convention_id: null, healed: null, recall_id: null, paused: null, reason: null },
  ...{ reasons: [], used: [], started_at: '2026-01-01T00:00:00Z', finished_at: '2026-01-01T00:01:00Z' },
  ...{ status: 'cancelled', is_cut: true, expected_records: 16_006, records: 5_000, pending: 0, rows: 4_000 },
  ...{ passed: 4_000, rejected: 0, errored: 1_000, overtaken: 0 },
} as unknown as Recompute;

test('a cancelled recompute shows all that it selected, what is not done, and the command that goes on with it', () => {
  const counts = Object.fromEntries(countsOf(cancelled));
  expect(counts).toMatchObject({ selected: '16,006', errored: '1,000', 'not done': '11,006' });
  expect(JSON.stringify(recomputeLines(cancelled))).toContain('to go on with all that is left');
  const completed = { ...cancelled, status: 'completed' } as Recompute;
  expect(Object.fromEntries(countsOf(completed))).toMatchObject({ selected: '5,000', 'not done': '0' });
  expect(JSON.stringify(recomputeLines(completed))).toContain('to try the errored ones again');
});
