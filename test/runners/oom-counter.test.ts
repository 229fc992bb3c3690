import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { countOomKills } from '@osa/core/runners/container/cgroup';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';

/** A look at a control group that fails: the attempt fails for it when it ends, and the daemon goes on. */

const unheard: unknown[] = [];
const onUnheard = (reason: unknown) => void unheard.push(reason);
beforeEach(() => {
  unheard.length = 0;
  process.on('unhandledRejection', onUnheard);
  return () => process.off('unhandledRejection', onUnheard);
});

let place: Awaited<ReturnType<typeof scratch>>;
beforeEach(async () => {
  place = await scratch();
});
afterEach(() => place.dispose());

test('a container of which nothing is known is reported at the end alone', async () => {
  const lost = new Error('its id cannot be read');
  const counter = countOomKills(Promise.reject(lost), {});
  await turn();
  expect(unheard).toEqual([]);
  await expect(counter.stop()).rejects.toBe(lost);
});

test('a counter that cannot be read is reported at the end alone', async () => {
  // Reading a directory fails in a way that is not the end of a group.
  await mkdir(join(place.path, 'one/memory.events'), { recursive: true });
  const looked = Promise.withResolvers<void>();
  const hint = {
    pattern: '*',
    get directory() {
      looked.resolve();
      return place.path;
    },
  };
  const counter = countOomKills(Promise.resolve('one'), hint);
  await looked.promise;
  await expect(counter.stop()).rejects.toMatchObject({ code: 'EISDIR' });
  expect(unheard).toEqual([]);
});
