import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { resolveServer, type Sources } from '@osa/cli/config/config';
import { resolveCredential, resolveIdentity } from '@osa/cli/config/credential';
import { exitCodeOf } from '@osa/cli/exit';
import { type ErrorCode, errorCodes, OsaError } from '@osa/core/error';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliWorld, createCliWorld } from '../../support/fixtures/cli-world.ts';

let world: CliWorld;
let sources: Sources;

beforeEach(async () => {
  world = await createCliWorld();
  sources = { environment: {}, cwd: world.cwd, userDirectory: world.userDirectory };
});

afterEach(() => world[Symbol.asyncDispose]());

const daemon = 'http://127.0.0.1:4001';
const project = 'http://127.0.0.1:4002';
const user = 'http://127.0.0.1:4003';

/** No process has it: the largest id that Linux gives is 2^22. */
const endedPid = 2 ** 22 + 1;

async function put(path: string, content: unknown, directory = world.cwd): Promise<string> {
  const file = join(directory, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
  return file;
}

function daemonFile(more: object = {}) {
  return {
    pid: process.pid,
    url: daemon,
    issuer: 'osa-dev',
    audience: 'dev',
    key_file: 'dev.jwk',
    started_at: '2026-03-01T00:00:00Z',
    ...more,
  };
}

function codeOf(work: () => unknown): ErrorCode | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof OsaError) return error.code;
    throw error;
  }
}

describe('the server', () => {
  test('is the first of: option, OSA_SERVER, daemon.json, config.json, the user’s config.json', async () => {
    expect(codeOf(() => resolveServer(sources, undefined))).toBe('unreachable');
    await put('config.json', { server: user }, world.userDirectory);
    expect(resolveServer(sources, undefined).url).toBe(user);
    await put('.osa/config.json', { server: project });
    expect(resolveServer(sources, undefined).url).toBe(project);
    await put('.osa/daemon.json', daemonFile());
    expect(resolveServer(sources, undefined).url).toBe(daemon);
    const environment = { OSA_SERVER: 'https://osa.example/' };
    expect(resolveServer({ ...sources, environment }, undefined).url).toBe('https://osa.example');
    expect(resolveServer({ ...sources, environment }, 'http://localhost:1/base/').url).toBe(
      'http://localhost:1/base',
    );
  });

  test('is found from a directory below the project', async () => {
    await put('.osa/daemon.json', daemonFile());
    const cwd = join(world.cwd, 'a', 'b');
    await mkdir(cwd, { recursive: true });
    expect(resolveServer({ ...sources, cwd }, undefined).url).toBe(daemon);
  });

  test('is not a daemon that has ended, and the error says that it has', async () => {
    const file = await put('.osa/daemon.json', daemonFile({ pid: endedPid }));
    expect(() => resolveServer(sources, undefined)).toThrow(`${file} names ${daemon}`);
    expect(codeOf(() => resolveServer(sources, undefined))).toBe('unreachable');
    await put('config.json', { server: user }, world.userDirectory);
    expect(resolveServer(sources, undefined).url).toBe(user);
  });

  test.each(['ftp://x', 'nonsense', 'http://user:secret@host', 'http://host/?a=b'])('is not %s', (url) => {
    expect(codeOf(() => resolveServer(sources, url))).toBe('usage');
  });

  test.each([
    ['not JSON', '{"server":'],
    ['not an object', '[]'],
    ['an unknown setting', { server: project, serever: '' }],
    ['a wrong type', { server: 17 }],
    ['no server', {}],
  ])('is not taken from a file with %s', async (_, content) => {
    await put('.osa/config.json', content);
    expect(codeOf(() => resolveServer(sources, undefined))).toBe('usage');
  });
});

describe('the identity', () => {
  test('comes with the daemon that runs here, and is for no other server', async () => {
    const file = await put('.osa/daemon.json', daemonFile());
    const key = join(dirname(file), 'dev.jwk');
    await put('.osa/key.jwk', 'a key beside it');
    const identity = resolveIdentity(sources, { url: daemon, from: '', isUsers: true });
    expect(identity).toMatchObject({ issuer: 'osa-dev', audience: 'dev', key: { path: key } });
    expect(resolveIdentity(sources, { url: project, from: '--server', isUsers: true })).toBeUndefined();
  });

  test('is that of the settings which name the server, however the server was chosen', async () => {
    await put('.osa/config.json', { server: `${project}/`, subject: 'me', key_file: 'k.jwk' });
    const identity = resolveIdentity(sources, { url: project, from: '--server', isUsers: true });
    expect(identity).toMatchObject({ issuer: 'osa-cli', audience: project, subject: 'me' });
    expect(resolveIdentity(sources, { url: user, from: '--server', isUsers: true })).toBeUndefined();
  });

  test('is a key of the project or of the user where no settings beside it name another server', async () => {
    const users = await put('key.jwk', 'x', world.userDirectory);
    expect(resolveIdentity(sources, { url: user, from: '', isUsers: true })?.key).toMatchObject({
      path: users,
    });
    const projects = await put('.osa/key.jwk', 'x');
    expect(resolveIdentity(sources, { url: user, from: '', isUsers: true })?.key).toMatchObject({
      path: projects,
    });
    await put('.osa/config.json', { server: project });
    expect(resolveIdentity(sources, { url: user, from: '', isUsers: true })?.key).toMatchObject({
      path: users,
    });
    expect(resolveIdentity(sources, { url: project, from: '', isUsers: true })?.key).toMatchObject({
      path: projects,
    });
  });

  test('is what the environment says before all files', async () => {
    await put('.osa/daemon.json', daemonFile());
    const environment = {
      OSA_KEY: 'text',
      OSA_KEY_FILE: '/nowhere',
      OSA_ISSUER: 'i',
      OSA_AUDIENCE: 'a',
      OSA_SUBJECT: 's',
    };
    const of = (env: NodeJS.ProcessEnv) =>
      resolveIdentity({ ...sources, environment: env }, { url: daemon, from: '', isUsers: true });
    expect(of(environment)).toMatchObject({
      issuer: 'i',
      audience: 'a',
      subject: 's',
      key: { text: 'text' },
    });
    expect(of({ ...environment, OSA_KEY: '' })?.key).toMatchObject({ path: '/nowhere' });
  });

  test('has the repository for a subject in CI, and user@host elsewhere', () => {
    const of = (env: NodeJS.ProcessEnv) =>
      resolveIdentity(
        { ...sources, environment: { OSA_KEY: 'x', ...env } },
        { url: user, from: '', isUsers: true },
      )?.subject;
    expect(of({ GITHUB_REPOSITORY: 'org/quakes' })).toBe('org/quakes');
    expect(of({ CI_PROJECT_PATH: 'group/quakes' })).toBe('group/quakes');
    expect(of({})).toMatch(new RegExp(`.@${hostname()}$`));
  });
});

describe('the credential', () => {
  const token = 'aaaa.bbbb.cccc';
  const places: Readonly<Record<string, () => Promise<Partial<Sources> & { option?: string }>>> = {
    '--server': async () => ({ option: project }),
    OSA_SERVER: async () => ({ environment: { OSA_SERVER: project } }),
    'the user’s config.json': async () => {
      await put('config.json', { server: project }, world.userDirectory);
      return {};
    },
    'the user’s config.json and that of a project': async () => {
      await put('config.json', { server: project }, world.userDirectory);
      await put('.osa/config.json', { server: `${project}/`, audience: 'other' });
      return {};
    },
    'config.json of a project': async () => {
      await put('.osa/config.json', { server: project, audience: 'other' });
      return {};
    },
    'daemon.json of a project': async () => {
      await put('.osa/daemon.json', daemonFile());
      return {};
    },
  };
  const ofUser = ['--server', 'OSA_SERVER', 'the user’s config.json'];
  const both = 'the user’s config.json and that of a project';
  const given: Readonly<Record<string, NodeJS.ProcessEnv>> = {
    OSA_TOKEN: { OSA_TOKEN: token },
    OSA_KEY: { OSA_KEY: 'text' },
    OSA_KEY_FILE: { OSA_KEY_FILE: '/nowhere/key.jwk' },
    'OSA_KEY and OSA_AUDIENCE': { OSA_KEY: 'text', OSA_AUDIENCE: 'archive' },
  };

  async function resolveAt(place: string, environment: NodeJS.ProcessEnv) {
    const { option, environment: more } = (await places[place]?.()) ?? {};
    const here = { ...sources, environment: { ...environment, ...more } };
    return () => resolveCredential(here, resolveServer(here, option));
  }

  const matrix = Object.keys(places).flatMap((place) => Object.keys(given).map((name) => [name, place]));

  test.each(matrix)('%s is for a server named by %s only where that is the user', async (name, place) => {
    const resolve = await resolveAt(place ?? '', given[name ?? ''] ?? {});
    const isUsers = [...ofUser, both].includes(place ?? '');
    expect(codeOf(resolve)).toBe(isUsers ? undefined : 'credentials');
    if (isUsers) expect(resolve()?.kind).toBe(name === 'OSA_TOKEN' ? 'token' : 'key');
    else expect(resolve).toThrow(/--server/);
  });

  test.each(Object.keys(places))('a key of the user’s signs for a server named by %s', async (place) => {
    const resolve = await resolveAt(place, {});
    await put('key.jwk', 'x', world.userDirectory);
    if (place.startsWith('daemon.json')) return expect(resolve()?.kind).toBe('key');
    // For this very server: no file of a project says for which other one.
    expect(resolve()).toMatchObject({ identity: { audience: project, isProjects: false } });
  });

  test.each(Object.keys(places))(
    'it signs for OSA_AUDIENCE at a server named by %s, or not',
    async (place) => {
      const resolve = await resolveAt(place, { OSA_AUDIENCE: 'archive' });
      await put('key.jwk', 'x', world.userDirectory);
      // The daemon of a project has a key of its own, which is used.
      const isFine = place !== 'config.json of a project';
      expect(codeOf(resolve)).toBe(isFine ? undefined : 'credentials');
      if (isFine) expect(resolve()).toMatchObject({ identity: { audience: 'archive' } });
    },
  );

  test('a key in a project signs every request that is made there', async () => {
    await put('.osa/config.json', { server: project, audience: 'other' });
    await put('.osa/key.jwk', 'x');
    const resolve = (environment: NodeJS.ProcessEnv) => {
      const here = { ...sources, environment };
      return resolveCredential(here, resolveServer(here, undefined));
    };
    expect(resolve({})).toMatchObject({ identity: { audience: 'other', isProjects: true } });
    expect(resolve({ OSA_AUDIENCE: 'archive' })).toMatchObject({ identity: { audience: 'archive' } });
  });

  test('a key of a project that is a link to one elsewhere is none', async () => {
    const users = await put('key.jwk', 'x', world.userDirectory);
    await put('.osa/config.json', { server: project, audience: 'archive', key_file: 'k.jwk' });
    await symlink(users, join(world.cwd, '.osa', 'k.jwk'));
    expect(codeOf(() => resolveCredential(sources, resolveServer(sources, undefined)))).toBe('credentials');
    await put('.osa/config.json', { server: project, audience: 'archive' });
    await symlink(users, join(world.cwd, '.osa', 'key.jwk'));
    expect(codeOf(() => resolveCredential(sources, resolveServer(sources, undefined)))).toBe('credentials');
  });

  test('of the user’s settings says the audience, also where a project names the same server', async () => {
    await put('config.json', { server: project, audience: 'archive' }, world.userDirectory);
    await put('key.jwk', 'x', world.userDirectory);
    await put('.osa/config.json', { server: project, audience: 'other' });
    const credential = resolveCredential(sources, resolveServer(sources, undefined));
    expect(credential).toMatchObject({ identity: { audience: 'archive', isProjects: false } });
  });
});

test('every error code has one of the documented exit codes', () => {
  const expected: Partial<Record<ErrorCode, number>> = {
    ...{ usage: 2, malformed: 2, interrupted: 130, unreachable: 5, unavailable: 5, busy: 5 },
    ...{
      credentials: 4,
      missing_token: 4,
      invalid_token: 4,
      access_denied: 4,
      rate_limited: 4,
      login_incomplete: 4,
    },
  };
  for (const code of Object.keys(errorCodes) as ErrorCode[]) {
    expect([code, exitCodeOf(new OsaError(code, ''))]).toEqual([code, expected[code] ?? 1]);
  }
  expect(exitCodeOf(new TypeError('a bug'))).toBe(1);
});
