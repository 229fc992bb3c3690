import { hideAnswers } from '@osa/core/auth/visibility';
import { OsaError } from '@osa/core/error';
import { isRegistry, requireRegistry } from '@osa/core/hook/image';
import type { Runner } from '@osa/core/run/runner';
import { containerRunner } from '@osa/core/runners/container/container-runner';
import { readSettings } from '@osa/daemon/config/read-settings';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { coreArchive, record } from '../support/core-archive.ts';
import { deployRequest, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { digestOf, person } from '../support/database/registry-support.ts';

/** Images come from the registries of the archive, where it names any: nobody makes the daemon ask another address. */

let daemon: TestDaemon;
beforeAll(async () => {
  const registries = ['ghcr.io/acme', 'registry.example:5000'];
  daemon = await testDaemon({ containers: { engineOptions: [], pullSeconds: 60, registries } });
});
afterAll(() => daemon.close());

const hook = (image: string) => ({
  name: 'pulled',
  feature: { cardinality: 'one', columns: [{ name: 'value', json_type: 'number', required: true }] },
  release: { image, digest: digestOf('first'), source_ref: 'git:1' },
});
const post = async (path: string, json: unknown) =>
  daemon.send('POST', `/api/v1/${path}`, {
    headers: {
      authorization: await daemon.bearer(['conventions:write', 'hooks:write']),
      'content-type': 'application/json',
    },
    body: JSON.stringify(json),
  });

test('a deploy, a plan and a release of an image from elsewhere are refused, and name the list', async () => {
  for (const path of ['conventions', 'conventions/plan']) {
    const { status, problem } = await post(path, deployRequest([hook('10.0.0.1:6379/x')]));
    expect([status, problem?.field]).toEqual([422, 'hooks[0].release.image']);
    expect(problem?.message).toContain('ghcr.io/acme or registry.example:5000');
  }
  const ingester = { release: { image: 'quay.io/x/feed', digest: digestOf('feed') } };
  expect((await post('conventions', { ...deployRequest(), ingester })).problem?.field).toBe(
    'ingester.release.image',
  );
  expect((await post('conventions', deployRequest([hook('ghcr.io/acme/pulled:1')]))).status).toBe(201);
  const release = (image: string) => post('hooks/pulled/releases', { image, source_ref: 'git:2' });
  expect((await release(`ghcr.io/acme.evil/x@${digestOf('second')}`)).problem?.field).toBe('image');
  expect((await release(`registry.example:5000/x/y:2@${digestOf('second')}`)).status).toBe(201);
});

test.each([
  ...['ghcr.io/acme/x', 'ghcr.io/acme/x:1', 'ghcr.io/acme:1', 'GHCR.io/acme/x/y', 'registry.example:5000/z'],
])('%s is from the list', (image) => {
  expect(requireRegistry(['ghcr.io/acme', 'registry.example:5000'], image, 'image')).toBeUndefined();
});

test.each([
  ...['x', 'acme/x', 'ghcr.io/acmee/x', 'ghcr.io/x', 'ghcr.io', 'ghcr.io:443/acme/x', 'registry.example/z'],
  ...['registry.example:5001/z', 'evil.example/ghcr.io/acme/x', 'registry.example:5000'],
])('%s is not', (image) => {
  expect(() => requireRegistry(['ghcr.io/acme', 'registry.example:5000'], image, 'image')).toThrow(
    'does not come from a registry',
  );
});

test('a release that is older than the list is not pulled either', async () => {
  const runner = containerRunner({
    engine: { name: 'podman', options: [] },
    environment: { PATH: '/nowhere' },
    registries: ['ghcr.io/acme'],
    pullTimeoutMs: 1_000,
    onLeft: () => undefined,
    quota: undefined,
  });
  const release = { runtime: 'image', image: '10.0.0.1:6379/x', digest: digestOf('old') };
  await expect(runner.run({ release } as never, AbortSignal.timeout(5_000))).rejects.toMatchObject({
    code: 'invalid',
    field: 'release.image',
  });
});

test('what an address answered is told to readers of runs only', async () => {
  const answer = '-ERR wrong number of arguments for GET';
  const runner: Runner = {
    name: 'refused',
    runtimes: ['image'],
    run: async () => {
      throw new OsaError('not_found', 'digest not found', { details: { answer } });
    },
    sweep: async () => 0,
  };
  const bench = await coreArchive({ runners: [runner] });
  try {
    await bench.deploy({ probe: { image: { image: '10.0.0.1:6379/x', digest: digestOf('x') } } });
    const { id } = await bench.ingest([record('one', 1)]);
    await bench.drain();
    const shown = JSON.stringify(await bench.store.ingestions.show(id));
    expect(shown).toContain('digest not found');
    expect(shown).not.toContain('ERR');
    const [attempt] = await bench.database.sql<{ detail: string }[]>`select detail from attempts`;
    expect(attempt?.detail).toBe(`digest not found: ${answer}`);
  } finally {
    await bench.dispose();
  }
});

test('a trace, which everybody reads, hides it from others', () => {
  const attempts = [
    { ending: 'not_started', detail: 'digest not found: -ERR' },
    { ending: 'exited', detail: 'one of its processes was killed' },
  ];
  const hidden = [{ ending: 'not_started', detail: null }, attempts[1]];
  expect(hideAnswers(attempts, undefined, 'probe')).toEqual(hidden);
  expect(hideAnswers(attempts, person('runs:read:other'), 'probe')).toEqual(hidden);
  expect(hideAnswers(attempts, person('runs:read:probe'), 'probe')).toEqual(attempts);
});

test('the setting takes hosts and starts of names, and nothing else', () => {
  const read = (text: string) => readSettings({ OSA_IMAGE_REGISTRIES: text }).image_registries;
  expect(read('ghcr.io/acme, registry.example:5000 localhost')).toEqual([
    ...['ghcr.io/acme', 'registry.example:5000', 'localhost'],
  ]);
  for (const text of ['acme', 'GHCR.io', 'https://ghcr.io', 'ghcr.io/', 'ghcr.io/*', 'ghcr.io/acme:1/x y']) {
    expect([text, text.split(' ').every(isRegistry)]).toEqual([text, false]);
    expect(() => read(text)).toThrow('OSA_IMAGE_REGISTRIES');
  }
});
