import { getHeapSpaceStatistics } from 'node:v8';
import { uploadBegun } from '@osa/core/file/buffer-memory';
import { expect, test } from 'vitest';
import { until } from '../support/database/database.ts';

const mebibyte = 2 ** 20;
const young = () =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? Number.NaN;

test('what V8 keeps for young objects is given back after the last of large uploads', async () => {
  const [first, second] = [uploadBegun(), uploadBegun()];
  let kept: object[] = [];
  while (young() < 8 * mebibyte) {
    kept.push({ of: [kept.length] });
    if (kept.length > 50_000) kept = [];
  }
  first(8 * mebibyte);
  await new Promise(setImmediate);
  expect(young()).toBeGreaterThanOrEqual(8 * mebibyte);
  second(0);
  await until('memory is given back', async () => young() < 4 * mebibyte);
});
