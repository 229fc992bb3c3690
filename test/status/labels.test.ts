import { boundedPairs } from '@osa/daemon/telemetry/bounded';
import { expect, test } from 'vitest';

test('pairs of labels are bounded: what comes later is counted together', () => {
  const pair = boundedPairs(2);
  expect([pair('a', '1'), pair('a', '2'), pair('a', '3'), pair('b', '1')]).toEqual([
    ['a', '1'],
    ['a', '2'],
    ['a', 'other'],
    ['b', 'other'],
  ]);
  expect(pair('a', '1')).toEqual(['a', '1']);
});
