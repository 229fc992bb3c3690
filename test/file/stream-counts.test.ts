import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { countedStreams } from '@osa/daemon/http/reads/streams';
import { removeOldParts } from '@osa/daemon/storage';
import { expect, test } from 'vitest';
import { scratch } from '../support/database/database.ts';

const code = (act: () => unknown): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
};

test('a reader has so many streams, and readers without a token leave a quarter of all', () => {
  const streams = countedStreams('files', { each: 2, all: 4 });
  const nobody = (name: string) => ({ name, isAnonymous: true });
  const known = { name: 'k', isAnonymous: false };
  const end = streams.begin(nobody('a'));
  streams.begin(nobody('a'));
  expect(code(() => streams.begin(nobody('a')))).toBe('rate_limited');
  streams.begin(nobody('b'));
  expect(code(() => streams.begin(nobody('b')))).toBe('busy');
  streams.begin(known);
  expect(code(() => streams.begin(known))).toBe('busy');
  end();
  end();
  streams.begin(known);
  expect(code(() => streams.begin(nobody('a')))).toBe('busy');
});

test('parts of uploads go a day after their last byte', async () => {
  await using place = await scratchPlace();
  const stores = { dataDirectory: place.path, storage: undefined };
  await removeOldParts(stores);
  const incoming = join(place.path, 'blobs/incoming');
  await writeFile(join(incoming, 'old'), 'a');
  await writeFile(join(incoming, 'young'), 'a');
  const old = Date.now() / 1_000 - 25 * 3_600;
  await utimes(join(incoming, 'old'), old, old);
  await removeOldParts(stores);
  expect(await readdir(incoming)).toEqual(['young']);
});

async function scratchPlace() {
  const place = await scratch();
  return { ...place, [Symbol.asyncDispose]: () => place.dispose() };
}
