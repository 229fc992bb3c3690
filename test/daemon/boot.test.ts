import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Answer, routes } from '@osa/core/api';
import type { Gate } from '@osa/core/api/route';
import type { MachineIssuer } from '@osa/core/auth/issuer';
import type { SigningKey } from '@osa/core/auth/sign-token';
import { asOsaError } from '@osa/core/error';
import { type DaemonConfig, productionConfig } from '@osa/daemon/config/config';
import { help } from '@osa/daemon/config/help';
import { readSettings } from '@osa/daemon/config/read-settings';
import { settingNames } from '@osa/daemon/config/settings';
import { startDaemon } from '@osa/daemon/daemon';
import { ownIssuer } from '@osa/daemon/dev/directory';
import { type Caller, requireGate } from '@osa/daemon/http/authenticate';
import { httpLimits } from '@osa/daemon/http/limits';
import { mountRoutes } from '@osa/daemon/http/mount';
import { createLog } from '@osa/daemon/log';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signingKey, testConfig } from '../support/daemon-support.ts';
import { scratch, type TestDatabase, testDatabase, until } from '../support/database/database.ts';

/** The settings that a daemon refuses to start with, and its words about them. */

const main = fileURLToPath(import.meta.resolve('@osa/daemon/main'));
const log = createLog({ level: 'silent', readable: false });
let directory: Awaited<ReturnType<typeof scratch>>;
let database: TestDatabase;
let publicKey: string;
let base: DaemonConfig;
beforeAll(async () => {
  directory = await scratch();
  database = await testDatabase();
  const key = await signingKey();
  publicKey = JSON.stringify(key.publicJwk);
  const config = await testConfig({ url: database.appUrl, directory: directory.path, key });
  base = { ...config, mode: 'production', runner: 'none' };
});
afterAll(async () => {
  await database.close();
  await directory.dispose();
});

async function refusal(
  start: () => unknown,
): Promise<{ code: string; field: string | undefined; message: string }> {
  try {
    await start();
  } catch (error) {
    const known = asOsaError(error);
    if (!known) throw error;
    return { code: known.code, field: known.field, message: known.message };
  }
  return expect.fail('it started');
}

describe('in production', () => {
  const dev = ({ machines, ...trusted }: DaemonConfig['trusted']) => ({
    ...trusted,
    machines: machines.map((entry) => ({ ...entry, issuer: 'osa-dev' })),
  });
  /** The key of an `osad --dev`, as somebody would copy it. */
  let carriedOver: MachineIssuer;
  beforeAll(async () => {
    const own = await ownIssuer(directory.path);
    carriedOver = { ...own, issuer: 'ci', audience: 'https://data.example.org' };
  });
  const issuersOf = async (url: string) => {
    const { issuers } = (await (await fetch(`${url}/api/v1/auth/issuers`)).json()) as Answer<'listIssuers'>;
    return issuers.map(({ issuer }) => issuer);
  };

  test.each<[string, (config: DaemonConfig) => Partial<DaemonConfig>, string, string]>([
    ['no issuer', ({ trusted }) => ({ trusted: { ...trusted, machines: [] } }), 'usage', 'OSA_ISSUER'],
    ['the process runner', () => ({ runner: 'process' }), 'usage', 'OSA_RUNNER'],
    [
      'http-30: the issuer of development, where others reach it,',
      ({ trusted }) => ({ host: '0.0.0.0', trusted: dev(trusted) }),
      'usage',
      'OSA_ISSUER',
    ],
    [
      'http-30: a key of development under another name, where others reach it,',
      ({ trusted }) => ({ host: '0.0.0.0', trusted: { ...trusted, machines: [carriedOver] } }),
      'usage',
      'OSA_PUBLIC_KEY',
    ],
    [
      'the owner of the tables',
      ({ database: { connections } }) => ({ database: { url: database.ownerUrl, connections } }),
      'access_denied',
      'DATABASE_URL',
    ],
  ])('%s is refused', async (_name, changes, code, field) => {
    const found = await refusal(() => startDaemon({ ...base, ...changes(base) }, { log }));
    expect(found).toMatchObject({ code, field });
    expect(found.message).toContain(field);
  });

  test('starts with an issuer and the application role', async () => {
    const daemon = await startDaemon(base, { log });
    await daemon.close();
  });

  test('trusts nobody later with whom it would not have started, and may trust nobody at all', async () => {
    const daemon = await startDaemon(base, { log });
    try {
      const { trusted } = base;
      const others = [dev(trusted), { ...trusted, machines: [carriedOver] }];
      for (const other of others) {
        expect((await refusal(() => daemon.trust(other))).code).toBe('usage');
        expect(await issuersOf(daemon.url)).toEqual(['test']);
      }
      daemon.trust({ ...trusted, machines: [] });
      expect(await issuersOf(daemon.url)).toEqual([]);
    } finally {
      await daemon.close();
    }
  });

  test('a SIGHUP while it starts does not end it, and is obeyed once it has started', async () => {
    const fifo = join(directory.path, 'keys.fifo');
    await execa('mkfifo', [fifo]);
    const environment = {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: database.appUrl,
      OSA_DOMAIN: 'data.example.org',
      OSA_DATA_DIR: join(directory.path, 'fifo-data'),
      OSA_PORT: '0',
      OSA_ISSUER: 'ci',
      OSA_PUBLIC_KEY_FILE: fifo,
    };
    const child = execa(process.execPath, [main], { env: environment, extendEnv: false, reject: false });
    let output = '';
    child.stderr.on('data', (bytes) => {
      output += bytes;
    });
    const said = (text: string) => until(text, async () => output.includes(text));
    const publish = async ({ publicJwk }: SigningKey, meanwhile: () => void = () => undefined) => {
      // Opens when the daemon has opened it to read.
      await using file = await open(fifo, 'w');
      meanwhile();
      await file.writeFile(JSON.stringify(publicJwk));
    };
    const [first, second] = [await signingKey(), await signingKey()];
    await publish(first, () => child.kill('SIGHUP'));
    await said('listening');
    await publish(second);
    await said('reloaded the issuers');
    const lines = output.trim().split('\n');
    const { url } = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'listening');
    const { issuers } = (await (await fetch(`${url}/api/v1/auth/issuers`)).json()) as Answer<'listIssuers'>;
    expect(issuers[0]?.keys[0]?.thumbprint).toBe(second.thumbprint);
    child.kill('SIGTERM');
    expect((await child).exitCode).toBe(0);
  });

  test.each(['podman', 'docker', 'auto'] as const)(
    'refuses the runner %s when no engine is there',
    async (runner) => {
      const config = { ...base, runner, environment: { PATH: directory.path } };
      const found = await refusal(() => startDaemon(config, { log }));
      expect(found).toMatchObject({ code: 'usage', field: 'OSA_RUNNER' });
    },
  );

  test('tells an engine that is broken from one that is absent', async () => {
    const bin = join(directory.path, 'broken');
    await mkdir(bin);
    await writeFile(join(bin, 'podman'), '#!/bin/sh\necho x >&2; echo "Error: no runtime" >&2; exit 125\n', {
      mode: 0o755,
    });
    const config = { ...base, runner: 'auto' as const, environment: { PATH: bin } };
    const found = await refusal(() => startDaemon(config, { log }));
    expect(found.message).toMatch(/podman --version exits with 125: no runtime.*docker is not on the PATH/);
  });

  test('takes the engine that is there', async () => {
    const bin = join(directory.path, 'bin');
    await mkdir(bin);
    // Docker’s place is taken by a program that says how it was called.
    await writeFile(join(bin, 'docker'), '#!/bin/sh\necho "$@" >> "$HOME/calls"\n', { mode: 0o755 });
    const environment = { PATH: bin, HOME: bin };
    const workDirectory = join(directory.path, 'work', 'own');
    const daemon = await startDaemon({ ...base, runner: 'auto', environment, workDirectory }, { log });
    await daemon.close();
    expect(await readFile(join(bin, 'calls'), 'utf8')).toMatch(/^--version\n/);
  });

  test('says when the port is taken', async () => {
    const first = await startDaemon(base, { log });
    const port = Number(new URL(first.url).port);
    const found = await refusal(() => startDaemon({ ...base, port }, { log }));
    expect(found).toMatchObject({ code: 'conflict', field: 'port' });
    expect(found.message).toContain(`${port}`);
    await first.close();
  });
});

test.each(['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.0.0.1.example.org', ''])(
  'http-30: development, whose key anybody may have, does not listen on %j',
  async (host) => {
    const found = await refusal(() => startDaemon({ ...base, mode: 'development', host }, { log }));
    expect(found).toMatchObject({ code: 'usage', field: 'OSA_HOST' });
  },
);

test.each([
  ['ahead', "insert into schema_migrations (name, checksum) values ('9999_future', 'x')"],
  ['not migrated', 'drop table schema_migrations'],
])('refuses a database that is %s', async (_name, statement) => {
  const other = await testDatabase();
  try {
    await other.open(other.ownerUrl).sql.unsafe(statement);
    const found = await refusal(() =>
      startDaemon({ ...base, database: { url: other.appUrl, connections: 2 } }, { log }),
    );
    expect(found.code).toBe('conflict');
  } finally {
    await other.close();
  }
});

test('refuses a database that is not there', async () => {
  const url = 'postgres://osa@127.0.0.1:9/osa';
  const found = await refusal(() => startDaemon({ ...base, database: { url, connections: 2 } }, { log }));
  expect(found.code).toBe('unavailable');
});

test('refuses routes without a handler, and handlers without a route', async () => {
  // It looks before it mounts anything.
  const found = await refusal(() =>
    mountRoutes({} as never, { stray: async () => ({}) } as never, {
      limits: httpLimits,
      part: 'all',
      log,
      reads: async (_request, _reply, { receive, read }) => read(await receive()),
    }),
  );
  expect(found.code).toBe('internal');
  expect(found.message).toMatch(/rollback[\s\S]*without a route: stray/);
});

test.each<[string, unknown]>([
  ['no gate', undefined],
  ['a gate of no kind', {}],
  ['a gate that nobody knows', { kind: 'opne' }],
  ['a gate without its scope', { kind: 'scope' }],
])('refuses a route with %s, by its name', async (_name, gate) => {
  const declared = routes.rollback.gate;
  Object.assign(routes.rollback, { gate });
  try {
    const found = await refusal(() => startDaemon(base, { log }));
    expect([found.code, found.message]).toEqual([
      'internal',
      expect.stringMatching(/without a gate: rollback$/),
    ]);
  } finally {
    Object.assign(routes.rollback, { gate: declared });
  }
});

test('nobody passes a gate that is not known, nor one that needs a token without it', async () => {
  const principal = { issuer: 'test', subject: 'x', scopes: new Set<string>(), isAdmin: true };
  const caller = { principal, roles: [], token: {} } as unknown as Caller;
  const unknown = { kind: 'opne' } as unknown as Gate;
  expect((await refusal(() => requireGate(unknown, caller, {}))).code).toBe('internal');
  const needy: Gate[] = [{ kind: 'authenticated' }, { kind: 'scope', verb: 'runs:read' }];
  for (const gate of needy) {
    expect((await refusal(() => requireGate(gate, undefined, {}))).code).toBe('internal');
    expect(requireGate(gate, caller, {})).toBeUndefined();
  }
});

test('a line for people holds nothing that acts on their terminal, or looks like another line', () => {
  let written = '';
  const destination = { write: (text: string) => (written += text) };
  const readable = createLog({ level: 'info', readable: true, destination });
  const hostile = 'a\n12:00:00 info  all is well\u001b[2J\u009b31m\u202e\r';
  readable.warn({ hook: hostile, err: new Error(hostile), nested: { hostile } }, hostile);
  const [line = '', ...stack] = written.trimEnd().split('\n');
  expect(line).toMatch(
    /^\d\d:\d\d:\d\d warn {2}a\\n12:00:00 info {2}all is well\\u001b\[2J\\u009b31m\\u202e/,
  );
  for (const other of stack) expect(other).toMatch(/^ {4}/);
  expect(written.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
});

describe('settings', () => {
  const environment = () => ({
    DATABASE_URL: 'postgres://osa_app@db/osa',
    OSA_DOMAIN: 'data.example.org',
    OSA_DATA_DIR: '/var/lib/osa',
    OSA_ISSUER: 'ci',
    OSA_PUBLIC_KEY: publicKey,
  });
  const production = (variables: NodeJS.ProcessEnv, file?: string) =>
    productionConfig({ version: '1', settings: readSettings(variables, file), environment: variables });

  test('come from the environment', async () => {
    const config = await production({
      ...environment(),
      OSA_PORT: '9',
      OSA_READS: 'authenticated',
      OSA_HOST: '',
      OSA_TRUSTED_PROXIES: '10.0.0.1, 2001:db8::/32',
    });
    expect(config).toMatchObject({
      mode: 'production',
      domain: 'data.example.org',
      host: '127.0.0.1',
      port: 9,
      reads: 'authenticated',
      runner: 'none',
      trustedProxies: ['10.0.0.1', '2001:db8::/32'],
      trusted: { machines: [{ issuer: 'ci', audience: 'https://data.example.org' }], primary: undefined },
    });
  });

  test('come from a file below the environment', async () => {
    const file = join(directory.path, 'osad.yaml');
    const keyFile = join(directory.path, 'ci.jwk');
    await writeFile(keyFile, publicKey);
    await writeFile(
      file,
      `port: 1\nlease_seconds: 7\nissuers:\n  - { issuer: a, public_key_file: ${keyFile} }\n  - { issuer: b, audience: us, public_key_file: ${keyFile} }\n`,
    );
    const { OSA_ISSUER: _, OSA_PUBLIC_KEY: __, ...others } = environment();
    const config = await production({ ...others, OSA_PORT: '2' }, file);
    expect(config).toMatchObject({ port: 2, worker: { leaseSeconds: 7 } });
    expect(config.trusted.machines.map(({ issuer, audience }) => [issuer, audience])).toEqual([
      ['a', 'https://data.example.org'],
      ['b', 'us'],
    ]);
  });

  test.each([
    ['DATABASE_URL', ''],
    ['OSA_DOMAIN', ''],
    ['OSA_DATA_DIR', ''],
    ['OSA_DOMAIN', 'Not A Domain'],
    ['OSA_PORT', 'abc'],
    ['OSA_PORT', '65536'],
    ['OSA_READS', 'all'],
    ['OSA_RUNNER', 'container'],
    ['OSA_LEASE_SECONDS', '0'],
    ['OSA_WORKER_CONCURRENCY', '-1'],
    ['OSA_LOG_LEVEL', 'loud'],
    ['OSA_TRUSTED_PROXIES', '10.0.0.1, proxy.example.org'],
  ])('refuse %s=%s by its name', async (name, value) => {
    const found = await refusal(() => production({ ...environment(), [name]: value }));
    expect(found).toMatchObject({ code: 'usage', field: name });
    expect(found.message).toContain(name);
  });

  test.each([
    ['a key that is none', 'prot: 1', 'prot'],
    ['a wrong value', 'port: x', 'port'],
    ['an issuer without a key', 'issuers: [{ issuer: a }]', 'issuers[0]'],
    ['a key twice', 'port: 1\nport: 2', 'port'],
    ['no mapping', '- port', 'settings'],
    ['no YAML', '{', ':1:'],
  ])('refuse a file with %s', async (_name, text, shown) => {
    const file = join(directory.path, 'wrong.yaml');
    await writeFile(file, text);
    const found = await refusal(() => readSettings({}, file));
    expect(found.code).toBe('usage');
    expect(found.message).toContain(file);
    expect(found.message).toContain(shown);
  });

  test.each(settingNames)('%s is in the help text', (name) => {
    expect(help().split(/[^a-z0-9_]+/)).toContain(name);
  });

  test('never show a key or the URL of the database', async () => {
    const secret = 'postgres://osa:hunter2@db/osa';
    const found = await refusal(() =>
      production({ ...environment(), DATABASE_URL: secret, OSA_PUBLIC_KEY: 'hunter2' }),
    );
    expect(found.code).toBe('credentials');
    expect(found.message).not.toContain('hunter2');
  });
});
