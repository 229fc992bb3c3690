import { failureLines } from '@osa/cli/commands/ingestions/reasons';
import { RowCheck } from '@osa/cli/input/row-check';
import { pipe, render } from '@osa/cli/terminal/paint';
import { expect, test } from 'vitest';

/** The reasons that are found before an upload, and the places that are shown after it. */

const field = {
  name: 'code',
  type: 'text',
  required: false,
  cardinality: 'zero_or_more',
  constraints: { type: 'text', pattern: '^(?:[a-z]{1,20}-){1,20}$' },
} as const;

test('values that take too long to match are left to the server', () => {
  const check = new RowCheck({ fields: [field], openText: false });
  const reasons = (values: readonly string[]) =>
    check.reasons([{ field, title: 'Code', json: JSON.stringify(values) }]);
  const short = ['a-', 'A'];
  expect(reasons(short)).toEqual([expect.stringMatching(/^column "Code": code\[1\]: "A" does not match/)]);
  const long = Array.from({ length: 20_000 }, () => 'abcdefghij-'.repeat(19));
  expect(reasons([...long, 'A'])).toEqual([]);
  expect(reasons(short)).toHaveLength(1);
});

test('a reason of one of several files is shown with the place in its file', () => {
  const item = {
    ...{ status: 'rejected' as const, hook: 'h', version: 1, records: 2, reason: 'no', same: false },
    ...{ source_id: 's', line: 7, run: null, has_logs: false },
  };
  const failures = { items: [item], looked_at: 2, complete: true };
  const shown = (placeOf?: (line: number) => string) =>
    failureLines({ id: 'x' }, failures, placeOf)
      .map((shownLine) => render(shownLine, pipe))
      .join('\n');
  expect(shown(() => 'b.csv line 3')).toContain('such as b.csv line 3 (s): no');
  expect(shown()).toContain('such as line 7 (s): no');
});
