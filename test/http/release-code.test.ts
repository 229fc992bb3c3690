import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { declaration, deployRequest, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';

/** The code of a release comes back as it was packed, to those who may read the runs of its hook. */

let daemon: TestDaemon;
let place: string;
let digest: string;
let packed: Buffer;
beforeAll(async () => {
  daemon = await testDaemon();
  place = await mkdtemp(join(tmpdir(), 'osa-code-'));
  await mkdir(join(place, 'v1/lib'), { recursive: true });
  await writeFile(join(place, 'v1/hook.mjs'), '// one\n');
  await writeFile(join(place, 'v1/lib/π.bin'), Buffer.from([0, 255, 254, 128]));
  await writeFile(join(place, 'v1/run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await mkdir(join(place, 'v2'));
  await writeFile(join(place, 'v2/hook.mjs'), '// two\n');
  await writeFile(join(place, 'v2/run.sh'), '#!/bin/sh\n');
  await writeFile(join(place, 'v2/new.mjs'), '');
  ({ digest, packed } = await upload('v1'));
  await daemon.call('deploy', { json: deployRequest([declaration('coded', digest)]) });
  const second = await upload('v2');
  const release = { digest: second.digest, source_ref: 'git:2' };
  await daemon.send('POST', '/api/v1/hooks/coded/releases', {
    headers: { authorization: await daemon.bearer(['hooks:write']), 'content-type': 'application/json' },
    body: JSON.stringify(release),
  });
});
afterAll(async () => {
  await daemon.close();
  await rm(place, { recursive: true });
});

async function upload(name: string): Promise<{ digest: string; packed: Buffer }> {
  const pack = await packDirectory(join(place, name));
  const bytes = await buffer(pack.open());
  const sha256 = pack.digest.replace('sha256:', '');
  await daemon.call('putBlob', { params: { sha256 }, body: bytes });
  return { digest: pack.digest, packed: bytes };
}

const path = '/api/v1/hooks/coded/releases/1/code';
const osa = async (argv: readonly string[], scopes: readonly string[]) => {
  await using world = await createCliWorld();
  const authorization = await daemon.bearer([...scopes]);
  const environment = { OSA_TOKEN: authorization.replace('Bearer ', ''), OSA_SERVER: daemon.url };
  return world.osa(argv, { cwd: place, environment });
};

test('the bytes are those that were uploaded', async () => {
  const response = await fetch(`${daemon.url}${path}`, {
    headers: { authorization: await daemon.bearer(['runs:read:coded']) },
  });
  expect(response.headers.get('content-type')).toBe('application/octet-stream');
  expect(Buffer.from(await response.arrayBuffer()).equals(packed)).toBe(true);
});

test.each([
  ['nobody', [], 401],
  ['who may read the runs of another hook', ['runs:read:other'], 403],
  ['who may release the hook and not read its runs', ['hooks:write:coded', 'conventions:write'], 403],
])('%s does not get it', async (_, scopes, status) => {
  const headers = scopes.length === 0 ? {} : { authorization: await daemon.bearer(scopes) };
  const answer = await daemon.send('GET', path, { headers });
  expect(answer.status).toBe(status);
  expect(answer.text).not.toContain('// one');
});

test('a release that is not there, and one of an image, say so', async () => {
  const headers = { authorization: await daemon.bearer(['runs:read']) };
  const send = (rest: string) => daemon.send('GET', `/api/v1/hooks/${rest}/code`, { headers });
  expect((await send('coded/releases/9')).status).toBe(404);
  expect((await send('nothing/releases/1')).status).toBe(404);
  const image = { runtime: 'image', image: 'acme/hook', digest, source_ref: 'git:3' };
  await daemon.call('deploy', {
    json: { ...deployRequest([{ ...declaration('pulled', digest), release: image }]), slug: 'pulled' },
  });
  const { status, problem } = await send('pulled/releases/1');
  expect([status, problem?.message]).toEqual([422, expect.stringContaining(`acme/hook@${digest}`)]);
});

test('osa hooks code lists the files, and writes them to a new directory only', async () => {
  const listed = await osa(['hooks', 'code', 'coded', '1', '--json'], ['runs:read:coded']);
  expect(JSON.parse(listed.stdout)).toMatchObject({
    digest,
    out: null,
    files: [
      { path: 'hook.mjs', bytes: 7 },
      { path: 'lib/π.bin', bytes: 4 },
      { path: 'run.sh', executable: true },
    ],
  });
  const written = await osa(['hooks', 'code', 'coded', '1', '--out', 'out/v1'], ['runs:read:coded']);
  expect([written.code, written.stderr]).toEqual([0, '']);
  expect(await readFile(join(place, 'out/v1/lib/π.bin'))).toEqual(Buffer.from([0, 255, 254, 128]));
  expect((await stat(join(place, 'out/v1/run.sh'))).mode & 0o777).toBe(0o755);
  expect((await packDirectory(join(place, 'out/v1'))).digest).toBe(digest);
  const again = await osa(['hooks', 'code', 'coded', '1', '--out', 'out'], ['runs:read:coded']);
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('out is not empty')]);
  expect(await readdir(join(place, 'out'))).toEqual(['v1']);
});

test('osa hooks diff --code names the files that differ', async () => {
  const { stdout } = await osa(['hooks', 'diff', 'coded', '1', '2', '--code', '--json'], ['runs:read']);
  expect(JSON.parse(stdout).files).toEqual([
    { path: 'hook.mjs', change: 'changed' },
    { path: 'lib/', change: 'removed' },
    { path: 'lib/π.bin', change: 'removed' },
    { path: 'new.mjs', change: 'added' },
    { path: 'run.sh', change: 'changed' },
  ]);
  const without = await osa(['hooks', 'diff', 'coded', '1', '2', '--json'], ['runs:read']);
  expect(JSON.parse(without.stdout).files).toBeNull();
});
