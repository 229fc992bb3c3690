import { type Comparison, reportMarkdown } from '@osa/cli/commands/comparisons/report';
import { expect, test } from 'vitest';

type Report = NonNullable<Comparison['report']>;

test.each([
  [9039154177374.605, 0.9891607308597878, '9.04e+12', '99 %', '1,634'],
  [1.31, 1.6375, '1.31', '164 %'],
  [161_000_000_000_001, 0.0100001, '1.62e+14', '1.01 %'],
  [0.9991, 0.5, '1', '50 %'],
])(
  'the largest difference of %d is shown so that it serves as a tolerance',
  (max_abs, max_rel, ...expected) => {
    const column = {
      name: 'energy_j',
      compared: 2,
      differ: 1,
      beyond: 1_634,
      max_abs,
      max_rel,
      histogram: [],
    };
    const rows = { before: 2, after: 2, changed: 1, added: 0, removed: 0 };
    const report = {
      ...{ records: 2, changed_records: 1, outcomes: [], examples: [], shows_values: true },
      rows,
    };
    const comparison = { hook_name: 'probe', version: 2, against: null } as unknown as Comparison;
    const markdown = reportMarkdown(comparison, { ...report, columns: [column] } as Report, undefined);
    for (const part of expected) expect(markdown).toContain(`| ${part} |`);
  },
);
