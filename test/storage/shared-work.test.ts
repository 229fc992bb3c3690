import { sharedWork } from '@osa/core/storage/shared-work';
import { expect, test } from 'vitest';

/** Works that end when the test says so. */
function stage(most: number) {
  const share = sharedWork<string>(most);
  const begun: { readonly key: string; readonly stop: AbortSignal; end(): void }[] = [];
  const ask = (key: string, wanted?: AbortSignal) => {
    const result = share(key, wanted, (stop) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      begun.push({ key, stop, end: () => resolve(key) });
      return promise;
    });
    result.catch(() => undefined);
    return result;
  };
  const keys = () => begun.map(({ key }) => key);
  return { ask, begun, keys };
}

const gone = new Error('gone');

test('is done once for all who ask, and stops when the last of them has gone', async () => {
  const { ask, begun, keys } = stage(2);
  const [first, second] = [new AbortController(), new AbortController()];
  const results = [ask('a', first.signal), ask('a', second.signal)];
  expect(keys()).toEqual(['a']);
  first.abort(gone);
  await expect(results[0]).rejects.toBe(gone);
  expect(begun[0]?.stop.aborted).toBe(false);
  second.abort(gone);
  await expect(results[1]).rejects.toBe(gone);
  expect(begun[0]?.stop.aborted).toBe(true);
  const again = ask('a');
  expect(keys()).toEqual(['a', 'a']);
  begun[1]?.end();
  expect(await again).toBe('a');
});

test('one who stays gets the result after others have gone', async () => {
  const { ask, begun } = stage(2);
  const leaving = new AbortController();
  const [left, stays] = [ask('a', leaving.signal), ask('a', new AbortController().signal)];
  leaving.abort(gone);
  await expect(left).rejects.toBe(gone);
  begun[0]?.end();
  expect(await stays).toBe('a');
});

test('waits in the order of arrival, but not for one who always waits; those who have gone are passed over', async () => {
  const { ask, begun, keys } = stage(1);
  const stays = new AbortController().signal;
  const leaving = new AbortController();
  const first = ask('a', stays);
  const left = ask('b', leaving.signal);
  const third = ask('c', stays);
  const fourth = ask('d', stays);
  expect(keys()).toEqual(['a']);
  const urgent = ask('d');
  expect(keys()).toEqual(['a', 'd']);
  leaving.abort(gone);
  await expect(left).rejects.toBe(gone);
  for (const one of begun) one.end();
  await Promise.all([first, fourth, urgent]);
  expect(keys()).toEqual(['a', 'd', 'c']);
  begun[2]?.end();
  expect(await third).toBe('c');
});

test('a failure comes to all, and is not kept', async () => {
  const share = sharedWork<string>(1);
  const fail = () => Promise.reject(gone);
  const results = await Promise.allSettled([share('a', undefined, fail), share('a', undefined, fail)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await share('a', undefined, async () => 'fine')).toBe('fine');
});
