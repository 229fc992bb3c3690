import { remember } from '@osa/core/postgres/trace/remember';
import { expect, test } from 'vitest';

test('what was asked for last is kept, and the oldest is forgotten', async () => {
  const loaded: string[] = [];
  const get = remember(2, async (key) => {
    loaded.push(key);
    return key.toUpperCase();
  });
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) expect(await get(key)).toBe(key.toUpperCase());
  expect(loaded).toEqual(['a', 'b', 'c', 'b']);
});

test('those that ask at once share one load, and a failure is not kept', async () => {
  let loads = 0;
  const get = remember(2, async () => {
    loads += 1;
    if (loads === 1) throw new Error('once');
    return loads;
  });
  const first = await Promise.allSettled([get('a'), get('a')]);
  expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await Promise.all([get('a'), get('a')])).toEqual([2, 2]);
  expect(await get('a')).toBe(2);
});

test('what may change, and what is not there, is loaded again', async () => {
  const answers = [undefined, 'open', 'over'];
  const get = remember(
    2,
    async () => answers.shift(),
    (value) => value === 'over',
  );
  expect([await get('a'), await get('a'), await get('a'), await get('a')]).toEqual([
    undefined,
    'open',
    'over',
    'over',
  ]);
});
