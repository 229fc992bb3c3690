import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { engineOf } from '@osa/core/runners/container/engine';
import { containerRemoval } from '@osa/core/runners/container/removal';
import { expect, onTestFinished, test } from 'vitest';
import { scratch, until } from '../support/database/database.ts';

/** An engine that has one container, `ours`, until asked to remove it; while the file `away` is there it does nothing. */
const script = `#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> calls
if [ -e away ]; then echo 'Error: the engine is gone' >&2; exit 125; fi
case "$*" in
  rm*ours) rm -f there ;;
  rm*) echo 'Error: no container with that name' >&2; exit 1 ;;
  *inspect*ours) [ -e there ] ;;
  *inspect*) echo "Error: inspecting object: no such container $3" >&2; exit 125 ;;
esac
`;

async function engine() {
  const place = await scratch();
  onTestFinished(() => place.dispose());
  await writeFile(join(place.path, 'podman'), script, { mode: 0o755 });
  await writeFile(join(place.path, 'there'), '');
  const environment = { PATH: `${place.path}:${process.env.PATH}` };
  const left: string[] = [];
  const removal = containerRemoval(engineOf({ name: 'podman', options: [], environment }), (container) =>
    left.push(container),
  );
  const isThere = () =>
    readFile(join(place.path, 'there')).then(
      () => true,
      () => false,
    );
  return {
    away: join(place.path, 'away'),
    left,
    ...removal,
    isThere,
    calls: () => readFile(join(place.path, 'calls'), 'utf8'),
  };
}

test('a container is asked for until an engine that was away has removed it', async () => {
  const { away, left, remove, isThere } = await engine();
  await writeFile(away, '');
  await remove('ours');
  expect([left, await isThere()]).toEqual([['ours'], true]);
  await rm(away);
  await until('it is removed', async () => !(await isThere()));
});

test('a container that the engine does not know is gone', async () => {
  const { left, remove } = await engine();
  await remove('another');
  expect(left).toEqual([]);
});

test('containers that are to be removed at the same time go together', async () => {
  const { remove, settle, calls, isThere } = await engine();
  void remove('another');
  void remove('ours');
  await settle();
  expect(await isThere()).toBe(false);
  expect(await calls()).toBe('rm --force --volumes another ours\n');
});

test('a container that is gone does not keep the others of its call from being removed', async () => {
  const { remove, left, isThere } = await engine();
  await Promise.all([remove('ours'), remove('another')]);
  expect([left, await isThere()]).toEqual([[], false]);
});
