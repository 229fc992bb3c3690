import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Answer } from '@osa/core/api';
import { describe, expect, test } from 'vitest';
import { history, rolledBack, showHook } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, type FakeAnswer, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

/** Releases and the live pointer, over a hook whose v2 is live and whose v1 ran before. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const digest = (digits: string) => `sha256:${digits.repeat(32)}`;
const commit = (digits: string) => digits.repeat(20);
const live = { ...showHook.live, live: true, rows: 3358 } as Answer<'showRelease'>;
const v2 = { ...live, source_ref: `git+https://github.com/acme/quakes@${commit('22')}` };
const v1: Answer<'showRelease'> = {
  ...v2,
  version: 1,
  is_live: false,
  live: false,
  rows: 1679,
  digest: digest('cd'),
  config: { b: 1, relation: 'moment' },
  source_ref: `git+https://github.com/acme/quakes@${commit('11')}-dirty`,
};

const minted: Answer<'release'> = {
  hook_name: 'seismic_energy',
  version: 3,
  id: v1.id,
  digest: digest('ef'),
  source_ref: 'unknown',
  built_at: v1.built_at,
  created: true,
  live: true,
  is_live: true,
  live_version: 3,
  live_seq: 3,
};

async function archive(more: Readonly<Record<string, FakeAnswer>> = {}) {
  const answers: Readonly<Record<string, FakeAnswer>> = {
    'GET /api/v1/hooks/seismic_energy': { body: { ...showHook, live: showHook.live } },
    'GET /api/v1/hooks/seismic_energy/history': { body: history },
    'GET /api/v1/hooks/seismic_energy/releases': {
      body: { hook_name: 'seismic_energy', live_version: 2, releases: [v2, v1], next_cursor: 'abc' },
    },
    'GET /api/v1/hooks/seismic_energy/releases/1': { body: v1 },
    'GET /api/v1/hooks/seismic_energy/releases/2': { body: v2 },
    'POST /api/v1/hooks/seismic_energy/releases': { status: 201, body: minted },
    'POST /api/v1/hooks/seismic_energy/rollback': { body: rolledBack },
    'PUT /api/v1/hooks/seismic_energy/live': { body: { ...rolledBack, from_version: 1, live_version: 2 } },
    ...more,
  };
  return startFakeServer(({ method, path }) => {
    const found = answers[`${method} ${path.replace(/\?.*/, '')}`];
    return found ?? problem(404, 'not_found', `looked for ${path}`);
  });
}

type Archive = Awaited<ReturnType<typeof archive>>;

function asUser(server: Archive) {
  return { environment: { OSA_KEY: key, OSA_SERVER: server.url } };
}

/** The body of the last request, and the scopes of its token. */
function lastSent({ requests }: Archive) {
  const { body, headers } = requests.at(-1) ?? { body: '{}', headers: {} };
  const [, payload = ''] = (headers.authorization ?? '').split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString() || '{}');
  return { body: JSON.parse(body), scopes: String(claims.scope ?? '') };
}

test('hooks show names the first source of the live release and those that were recorded later', async () => {
  await using world = await createCliWorld();
  const further = { source_ref: `git:${commit('33')}`, recorded_by: 'ci', recorded_at: v1.built_at };
  const known = { ...v1, further_sources: [further] };
  await using server = await archive({
    'GET /api/v1/hooks/seismic_energy': { body: { ...showHook, live: { ...known, live: undefined } } },
    'GET /api/v1/hooks/seismic_energy/releases': {
      body: { hook_name: 'seismic_energy', live_version: 1, releases: [known], next_cursor: null },
    },
  });
  const { stdout } = await world.osa(['hooks', 'show', 'seismic_energy'], asUser(server));
  expect(stdout).toMatch(new RegExp(`source +${known.source_ref.replaceAll('+', '\\+')}\n`));
  expect(stdout).toMatch(new RegExp(`also from +${further.source_ref}  ci, `));
  expect(stdout).toContain('-dirty, also git:333333333333');
});

describe('hooks release', () => {
  const release = ['hooks', 'release', 'seismic_energy'];

  test('sends what is given, and what it saw of the pointer', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const image = `ghcr.io/acme/energy:4@${digest('ef')}`;
    const given = [
      '--image',
      image,
      '--memory',
      '1g',
      '--timeout',
      '90',
      '--source-ref',
      'git:1',
      '--reason',
      'r',
    ];
    const { code, stdout } = await world.osa([...release, ...given], asUser(server));
    expect(code).toBe(0);
    expect(stdout).toContain('seismic_energy: new release v3, live (was v2)');
    expect(lastSent(server)).toMatchObject({
      body: {
        runtime: 'image',
        image: 'ghcr.io/acme/energy:4',
        digest: digest('ef'),
        limits: { memory: '1g', timeout_seconds: 90 },
        source_ref: 'git:1',
        live: true,
        reason: 'r',
        expected_live_seq: 2,
      },
      scopes: 'hooks:write:seismic_energy',
    });
    expect(Object.keys(lastSent(server).body)).not.toContain('config');
  });

  test('asks again with the right to read the config, where the server wants it for other code', async () => {
    await using world = await createCliWorld();
    const details = { scope: 'runs:read:seismic_energy' };
    const refusal = problem(403, 'access_denied', 'config: needs runs:read', { details });
    await using full = await archive();
    await using server = await startFakeServer(async ({ method, path, headers }) => {
      if (method === 'GET') return { body: await (await fetch(full.url + path)).json() };
      const [, payload = ''] = (headers.authorization ?? '').split('.');
      const isGranted = Buffer.from(payload, 'base64url').includes('runs:read:seismic_energy');
      return isGranted ? { status: 201, body: minted } : refusal;
    });
    const given = ['--image', `ghcr.io/acme/energy@${digest('ef')}`, '--source-ref', 'git:1'];
    const { code } = await world.osa([...release, ...given], asUser(server));
    expect([code, server.requests.filter(({ method }) => method === 'POST')]).toEqual([
      0,
      [expect.anything(), expect.anything()],
    ]);
    expect(lastSent(server).scopes).toBe('hooks:write:seismic_energy runs:read:seismic_energy');
  });

  test('sends the keys that are said, and neither the rest of the config nor the source', async () => {
    await using world = await createCliWorld();
    const hidden = { body: { ...showHook, live: { ...showHook.live, config: null } } };
    await using server = await archive({ 'GET /api/v1/hooks/seismic_energy': hidden });
    const set = ['--set', 'b=1', '--set', 'name=true story', '--no-live'];
    const { code } = await world.osa([...release, ...set], asUser(server));
    expect(code).toBe(0);
    const { body, scopes } = lastSent(server);
    expect(body).toEqual({
      set: { b: 1, name: 'true story' },
      limits: {},
      live: false,
      expected_live_seq: 2,
    });
    expect(scopes).toBe('hooks:write:seismic_energy');
  });

  test('sends the digits of a number as they were written, from --set and from --config', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    await writeFile(join(world.cwd, 'c.json'), '{"id":9007199254740993,"f":0.12345678901234567890}');
    const set = ['--set', 'big=12345678901234567890', '--set', 'list=[1e30,1.10]'];
    const { code } = await world.osa([...release, '--config', 'c.json', ...set], asUser(server));
    expect(code).toBe(0);
    expect(server.requests.at(-1)?.body).toContain(
      '{"id":9007199254740993,"f":0.1234567890123456789,"big":12345678901234567890,"list":[1e+30,1.1]}',
    );
  });

  test.each([
    ['huge=1e400', '1e400 is beyond the range of a double'],
    ['twice={"a":1,"a":2}', '"a"'],
  ])('refuses --set %s, which the server does not keep as it stands', async (setting, said) => {
    await using world = await createCliWorld();
    await using server = await archive();
    const { code, stderr } = await world.osa([...release, '--set', setting], asUser(server));
    expect(code).toBe(2);
    expect(stderr).toContain('--set');
    expect(stderr).toContain(setting);
    expect(stderr).toContain(said);
    await writeFile(join(world.cwd, 'c.json'), `{${setting.replace(/^(\w+)=/, '"$1":')}}`);
    const file = await world.osa([...release, '--config', 'c.json'], asUser(server));
    expect([file.code, file.stderr]).toEqual([2, expect.stringMatching(/c\.json .*at byte \d+/)]);
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  test('takes a whole config from a file, with keys of --set over it', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    await writeFile(join(world.cwd, 'config.json'), '{"a": 1, "b": 2}');
    await world.osa([...release, '--config', 'config.json', '--set', 'b=[3]'], asUser(server));
    expect(lastSent(server).body.config).toEqual({ a: 1, b: [3] });
    await writeFile(join(world.cwd, 'config.json'), '[1]');
    const refused = await world.osa([...release, '--config', 'config.json'], asUser(server));
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('config.json')]);
  });

  test('refuses a directory that nothing says how to start before it uploads it', async () => {
    await using world = await createCliWorld();
    const image = { ...showHook.live, runtime: 'image', image: 'ghcr.io/acme/energy', command: null };
    await using server = await archive({
      'GET /api/v1/hooks/seismic_energy': { body: { ...showHook, live: image } },
    });
    await mkdir(join(world.cwd, 'code'));
    await writeFile(join(world.cwd, 'code', 'hook.mjs'), '');
    const { code, stderr } = await world.osa([...release, '--directory', 'code'], asUser(server));
    expect([code, stderr]).toEqual([2, expect.stringContaining('--command: is needed')]);
    const broken = ['--directory', 'code', '--command', 'node hook.mjs', '--config', 'nowhere.json'];
    expect((await world.osa([...release, ...broken], asUser(server))).code).toBe(2);
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  test('packs and uploads a directory, with the right to release the hook and no other', async () => {
    await using world = await createCliWorld();
    const blobs = new Set<string>();
    await using server = await startFakeServer(({ method, path }) => {
      if (path === '/api/v1/hooks/seismic_energy') return { body: showHook };
      if (path.startsWith('/api/v1/hooks/')) return { status: 201, body: minted };
      if (method === 'PUT') blobs.add(path);
      return blobs.has(path) ? { body: { sha256: 'x', size: 1 } } : problem(404, 'not_found', 'no blob');
    });
    await mkdir(join(world.cwd, 'code'));
    await writeFile(join(world.cwd, 'code', 'hook.mjs'), '');
    const given = ['--directory', 'code', '--command', 'node hook.mjs'];
    const { code, stderr } = await world.osa([...release, ...given], asUser(server));
    expect([code, stderr]).toEqual([0, expect.stringContaining('uploaded 1 file')]);
    const { body } = lastSent(server);
    expect(body).toMatchObject({
      runtime: 'directory',
      command: ['node', 'hook.mjs'],
      source_ref: 'unknown',
    });
    expect([...blobs]).toEqual([`/api/v1/blobs/${body.digest.replace('sha256:', '')}`]);
    const upload = server.requests.find(({ method }) => method === 'PUT');
    const payload = upload?.headers.authorization?.split('.')[1] ?? '';
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString()).scope).toBe('hooks:write:seismic_energy');
  });

  test('says when the release is known and not live, and how to make it live', async () => {
    await using world = await createCliWorld();
    const known = { ...minted, version: 1, created: false, is_live: false, live: false, live_version: 2 };
    await using server = await archive({ 'POST /api/v1/hooks/seismic_energy/releases': { body: known } });
    const { stdout } = await world.osa([...release, '--cpu', '1'], asUser(server));
    expect(stdout).toContain('known release v1, not live; v2 is');
    expect(stdout).toContain('osa hooks activate seismic_energy 1');
  });

  test('says that a further source of a known release is recorded, and of a dirty one nothing', async () => {
    await using world = await createCliWorld();
    const known = { ...minted, version: 1, created: false };
    await using server = await archive({ 'POST /api/v1/hooks/seismic_energy/releases': { body: known } });
    const given = [...release, '--cpu', '1', '--source-ref'];
    const clean = await world.osa([...given, `git:${commit('44')}`], asUser(server));
    expect(clean.stdout).toContain(`git:${commit('44')}  (recorded beside the first)`);
    const dirty = await world.osa([...given, `git:${commit('44')}-dirty`], asUser(server));
    expect(dirty.stdout).not.toContain('recorded');
  });

  test.each([
    ['nothing', []],
    ['only where it comes from', ['--source-ref', 'x']],
    ['a tag instead of a digest', ['--image', 'ghcr.io/acme/energy:4']],
    ['a digest in capitals', ['--image', `x@${digest('EF')}`]],
    ['image and directory', ['--image', `x@${digest('ef')}`, '--directory', '.']],
    ['a command for an image', ['--image', `x@${digest('ef')}`, '--command', 'node']],
    ['a command for a shell', ['--command', 'node "my hook.mjs"']],
    ['a command that is no list of texts', ['--command', '["node", 1]']],
    ['memory that is none', ['--memory', '5q']],
    ['memory out of range', ['--memory', '1k']],
    ['cores that are none', ['--cpu', 'x']],
    ['more cores than there are', ['--cpu', '1025']],
    ['cores written at length', ['--cpu', '0.50000000000000000000']],
    ['a setting without a value', ['--set', 'relation']],
    ['a directory that is not there', ['--directory', 'nowhere']],
    ['a config that is not there', ['--config', 'nowhere.json']],
  ])('given %s, it changes nothing and exits with 2', async (_, given) => {
    await using world = await createCliWorld();
    await using server = await archive();
    expect((await world.osa([...release, ...given], asUser(server))).code).toBe(2);
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });
});

test('all problems that a server reports are printed', async () => {
  await using world = await createCliWorld();
  const problems = ['memory', 'cpu'].map((name) => ({ field: name, message: `${name}: is odd` }));
  const answer = problem(422, 'invalid', 'memory: is odd (and 1 more)', { details: { problems } });
  await using server = await archive({ 'POST /api/v1/hooks/seismic_energy/releases': answer });
  const argv = ['hooks', 'release', 'seismic_energy', '--cpu', '1'];
  const { code, stderr } = await world.osa(argv, asUser(server));
  expect([code, stderr]).toEqual([1, 'error: memory: is odd (and 1 more)\n     - cpu: is odd\n']);
});

describe('hooks activate', () => {
  test('moves the pointer, with what it saw', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const argv = ['hooks', 'activate', 'seismic_energy', 'v1', '--yes', '--reason', 'checked'];
    const { code, stdout } = await world.osa(argv, asUser(server));
    expect([code, stdout]).toEqual([0, expect.stringContaining('v1 → v2')]);
    expect(lastSent(server).body).toEqual({ version: 1, reason: 'checked', expected_live_seq: 2 });
  });

  test.each([
    ['nobody can be asked', ['1'], 'v2 → v1'],
    ['no version is given', [], '--choose'],
    ['the version is none', ['one'], '"one"'],
    ['a version and a choice are given', ['1', '--choose'], 'not both'],
    ['nobody can choose', ['--choose'], 'terminal'],
  ])('exits with 2 when %s', async (_, given, said) => {
    await using world = await createCliWorld();
    await using server = await archive();
    const { code, stderr } = await world.osa(
      ['hooks', 'activate', 'seismic_energy', ...given],
      asUser(server),
    );
    expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe.each([
  ['activate', ['9'], 'no release 9'],
  ['rollback', ['--to', 'v9'], 'no release 9'],
  ['rollback', ['--to', 'v2'], 'newer than the live version 1'],
])('hooks %s %j', (command, given, said) => {
  test('is refused before anybody is asked', async () => {
    await using world = await createCliWorld();
    const live = { ...showHook.live, version: 1 };
    await using server = await archive({
      'GET /api/v1/hooks/seismic_energy': { body: { ...showHook, live } },
      'GET /api/v1/hooks/seismic_energy/releases/9': problem(404, 'not_found', 'no release 9'),
    });
    const { code, stderr } = await world.osa(['hooks', command, 'seismic_energy', ...given], asUser(server));
    expect([code, stderr]).toEqual([1, expect.stringContaining(said)]);
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe.each([
  ['rollback', ['rollback', 'seismic_energy', '--yes'], 'rollback seismic_energy --to 1'],
  ['activate', ['activate', 'seismic_energy', '1', '--yes'], 'activate seismic_energy 1'],
])('hooks %s', (_, argv, again) => {
  const id = '0198c0de-0000-7000-8000-000000000009';
  const running = [{ version: 2, ingestion_id: id, convention_id: 'quakes', batches: 2 }];
  const answering = (answer: object) =>
    archive({
      'POST /api/v1/hooks/seismic_energy/rollback': { body: { ...rolledBack, ...answer } },
      'PUT /api/v1/hooks/seismic_energy/live': { body: { ...rolledBack, ...answer } },
    });

  test('says what still runs under the release that it leaves, and how to end it', async () => {
    await using world = await createCliWorld();
    await using server = await answering({ still_running: running });
    const { code, stdout } = await world.osa(['hooks', ...argv], asUser(server));
    expect(code).toBe(0);
    expect(stdout).toContain(`2 batches of ingestion ${id} (quakes) were claimed under v2 and keep it`);
    expect(stdout).toContain(`osa ingestions cancel ${id}`);
    expect(stdout).toContain(`osa hooks ${again} --cancel-running`);
  });

  test('--cancel-running asks for it, and says what was ended', async () => {
    await using world = await createCliWorld();
    await using server = await answering({ claimed_again: running });
    const { stdout } = await world.osa(['hooks', ...argv, '--cancel-running'], asUser(server));
    expect(lastSent(server).body).toMatchObject({ cancel_running: true });
    expect(stdout).toContain(
      `2 batches of ingestion ${id} (quakes) under v2 ended; records are claimed again`,
    );
  });

  test('says what it waits for while another transaction holds it, and goes on', async () => {
    await using world = await createCliWorld();
    let tries = 0;
    await using server = await startFakeServer(({ method }) => {
      if (method === 'GET') return { body: showHook };
      tries += 1;
      const details = { waits_for: 'hook seismic_energy, for a deploy' };
      return tries < 3 ? problem(503, 'busy', 'held', { details }) : { body: rolledBack };
    });
    const { code, stderr } = await world.osa(['hooks', ...argv], asUser(server));
    expect([code, tries]).toEqual([0, 3]);
    expect(stderr.match(/waits: another transaction holds hook seismic_energy/g)).toHaveLength(1);
  });
});

describe.each([
  ['rollback', ['rollback', 'seismic_energy', '--yes'], 'POST /api/v1/hooks/seismic_energy/rollback'],
  ['activate', ['activate', 'seismic_energy', '1', '--yes'], 'PUT /api/v1/hooks/seismic_energy/live'],
  ['release', ['release', 'seismic_energy', '--cpu', '1'], 'POST /api/v1/hooks/seismic_energy/releases'],
])('hooks %s after the pointer has moved', (_, argv, route) => {
  const details = { live_version: 3, live_seq: 3 };
  const moved = problem(412, 'precondition_failed', 'the live pointer has moved meanwhile', { details });
  const change = { ...history.changes[0], seq: 3, from_version: 2, to_version: 3, reason: 'hotfix' };

  test('shows the live version, and fails', async () => {
    await using world = await createCliWorld();
    await using server = await archive({
      [route]: moved,
      'GET /api/v1/hooks/seismic_energy/history': {
        body: { ...history, changes: [change, ...history.changes] },
      },
    });
    const { code, stderr } = await world.osa(['hooks', ...argv], asUser(server));
    expect(code).toBe(1);
    expect(stderr).toContain('v2 was live when this looked (change #2)');
    expect(stderr).toMatch(/#3 .*v2 → v3 .*ada@example .*hotfix/);
    expect(stderr).not.toMatch(/#2 +release/);
    expect(stderr).toContain('v2 is live');
    const { stdout } = await world.osa(['hooks', ...argv, '--json'], asUser(server));
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'precondition_failed', details });
  });
});

describe('hooks rollback without a terminal', () => {
  const argv = ['hooks', 'rollback', 'seismic_energy'];
  // The latest change into v2, apart from rollbacks, came from v3, which a rollback does not go to.
  const change = { ...history.changes[0], kind: 'activate', from_version: 3 };
  const rolledBackTo = (rollback_to: number | null, others = {}) =>
    archive({
      'GET /api/v1/hooks/seismic_energy': { body: { ...showHook, rollback_to } },
      'GET /api/v1/hooks/seismic_energy/history': { body: { ...history, changes: [change] } },
      ...others,
    });

  test('needs --yes, and shows the target that the server says', async () => {
    await using world = await createCliWorld();
    await using server = await rolledBackTo(1);
    const { code, stderr } = await world.osa(argv, asUser(server));
    expect([code, stderr]).toEqual([2, expect.stringContaining('--yes')]);
    const { stdout } = await world.osa([...argv, '--json'], asUser(server));
    const details = { hook: 'seismic_energy', from_version: 2, to_version: 1 };
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'usage', field: 'yes', details });
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  test('is refused by the server at once where there is no target, as with --yes', async () => {
    await using world = await createCliWorld();
    const detail = 'hook seismic_energy has no earlier release';
    const refusal = problem(409, 'conflict', detail);
    await using server = await rolledBackTo(null, { 'POST /api/v1/hooks/seismic_energy/rollback': refusal });
    const { code, stderr } = await world.osa(argv, asUser(server));
    expect([code, stderr]).toEqual([1, expect.stringContaining(detail)]);
    expect(stderr).not.toContain('--yes');
  });
});

describe('hooks rollback --yes', () => {
  test('leaves the choice of the target to the server, in two requests', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    expect((await world.osa(['hooks', 'rollback', 'seismic_energy', '--yes'], asUser(server))).code).toBe(0);
    expect(lastSent(server).body).toEqual({ expected_live_seq: 2 });
    expect(server.requests).toHaveLength(2);
  });
});

describe('hooks diff', () => {
  test('shows what differs by key, and where to compare the commits, from the older one', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const url = `https://github.com/acme/quakes/compare/${commit('11')}...${commit('22')}`;
    const { code, stdout } = await world.osa(
      ['hooks', 'diff', 'seismic_energy', '2', '1', '--json'],
      asUser(server),
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      compare_url: url,
      differences: [
        { path: 'digest', from: v2.digest, to: v1.digest },
        { path: 'config.relation', from: 'gutenberg-richter', to: 'moment' },
        { path: 'source_ref' },
        { path: 'config.b', from: null, to: 1 },
      ],
    });
    const shown = await world.osa(['hooks', 'diff', 'seismic_energy', '1', 'v2'], asUser(server));
    expect(shown.stdout).toMatch(/config\.relation +"moment" +"gutenberg-richter"/);
    expect(shown.stdout).toMatch(/rows made +1,679 +3,358/);
    expect(shown.stdout).toContain(url);
    expect(shown.stdout).not.toContain('limits');
  });

  test('compares configs that may not be seen by their digests', async () => {
    await using world = await createCliWorld();
    const hide = (release: object, config_digest: string) => ({
      body: { ...release, config: null, config_digest },
    });
    await using server = await archive({
      'GET /api/v1/hooks/seismic_energy/releases/1': hide(v1, digest('01')),
      'GET /api/v1/hooks/seismic_energy/releases/2': hide(v2, digest('02')),
    });
    const { stdout } = await world.osa(['hooks', 'diff', 'seismic_energy', '1', '2'], asUser(server));
    expect(stdout).toMatch(/config_digest +sha256:010101010101 +sha256:020202020202/);
  });

  test('of a release that is not there says so', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    expect((await world.osa(['hooks', 'diff', 'seismic_energy', '1', '9'], asUser(server))).code).toBe(1);
  });
});

describe('hooks history --at', () => {
  const at = (time: string, more: readonly string[] = []) => [
    'hooks',
    'history',
    'seismic_energy',
    '--at',
    time,
    ...more,
  ];

  test('says first what was live then', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const { stdout } = await world.osa(at('2026-03-02'), asUser(server));
    expect(stdout.split('\n')[0]).toBe(
      'seismic_energy: v2 was live at 2026-03-02 00:00:00 UTC, since 2026-03-01 03:04:05 UTC',
    );
    const { stdout: json } = await world.osa(at('2026-03-02', ['--json']), asUser(server));
    expect(JSON.parse(json)).toMatchObject({ at: '2026-03-02T00:00:00Z', live_version: 2 });
  });

  test('tells a reason to its end, on one line, with nothing in it that acts on the terminal', async () => {
    await using world = await createCliWorld();
    const reason = `${'because of it, '.repeat(20)}\u001b[2J\nforged: v9 is live`;
    const [change] = history.changes;
    const told = { body: { ...history, changes: [{ ...change, reason }] } };
    await using server = await archive({ 'GET /api/v1/hooks/seismic_energy/history': told });
    const { stdout } = await world.osa(['hooks', 'history', 'seismic_energy'], asUser(server));
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stdout).toContain(`${'because of it, '.repeat(20)}\\u001b[2J\\nforged: v9 is live\n`);
  });

  test('says when nothing was', async () => {
    await using world = await createCliWorld();
    const none = { body: { ...history, changes: [] } };
    await using server = await archive({ 'GET /api/v1/hooks/seismic_energy/history': none });
    const { stdout } = await world.osa(at('2020-01-01'), asUser(server));
    expect(stdout).toBe('seismic_energy: nothing was live at 2020-01-01 00:00:00 UTC\n');
  });

  test.each([
    ['2026-03-01', '2026-03-01T00:00:00Z'],
    ['2026-03-01 03:04', '2026-03-01T03:04:00Z'],
    ['2026-03-01 03:04:05 UTC', '2026-03-01T03:04:05.999999Z'],
    ['2026-03-01T03:04:05.678Z', '2026-03-01T03:04:05.678Z'],
    ['2026-03-01T03:04:05+01:00', '2026-03-01T03:04:05.999999+01:00'],
  ])('takes %s for %s', async (given, sent) => {
    await using world = await createCliWorld();
    await using server = await archive();
    await world.osa(at(given), asUser(server));
    expect(new URL(server.requests[0]?.path ?? '', server.url).searchParams.get('at')).toBe(sent);
  });

  test.each(['yesterday', '2026-02-30', '2026-13-01', '2026-03-01 25:00', '03:04', ''])(
    'refuses %j',
    async (given) => {
      await using world = await createCliWorld();
      await using server = await archive();
      expect((await world.osa(at(given), asUser(server))).code).toBe(2);
      expect(server.requests).toHaveLength(0);
    },
  );
});

describe('hooks releases', () => {
  test('lists them, and how to go on with the same options', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const argv = ['hooks', 'releases', 'seismic_energy', '--limit', '2', '--server', server.url];
    const { stdout, stderr } = await world.osa(argv);
    expect(stdout).toMatch(/v2 +live +sha256:abababababab/);
    expect(stderr).toContain(
      `osa hooks releases seismic_energy --limit 2 --server ${server.url} --cursor abc`,
    );
  });
});
