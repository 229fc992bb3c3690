import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { person, trustedForTests } from '../support/auth-support.ts';
import { type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { createCliWorld, startFakeServer } from '../support/fixtures/cli-world.ts';

/** Credentials at the command line: what is signed, what is shown, and what is found out. */

let daemon: TestDaemon;
let pem: string;
beforeAll(async () => {
  daemon = await testDaemon();
  pem = daemon.key.key.export({ type: 'pkcs8', format: 'pem' }).toString();
});
afterAll(() => daemon.close());

const here = (changes: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  OSA_SERVER: daemon.url,
  OSA_KEY: pem,
  OSA_ISSUER: 'test',
  OSA_AUDIENCE: 'osa',
  OSA_SUBJECT: 'ci',
  ...changes,
});

async function osa(argv: readonly string[], environment = here()) {
  await using world = await createCliWorld();
  return world.osa(argv, { environment });
}

const payloadOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

test.each([
  ['hooks:wrte:x', 'did you mean hooks:write:x?'],
  ['hook:write', 'did you mean hooks:write?'],
  ['ingestion:read', 'did you mean ingestions:read?'],
  ['runs:write', 'did you mean runs:read?'],
  ['convention:write:a', 'did you mean conventions:write:a?'],
  ['admin', 'scopes begin with conventions:write'],
  ['hooks:write:', 'comes a name'],
  ['hooks:write:**', 'one * at its end'],
  ['hooks:write:a*b', 'one * at its end'],
  ['*', 'scopes begin with'],
  ['runs:read,hooks:wrte', 'did you mean hooks:write?'],
  [' , ', 'must be a scope'],
])('a scope that is none is refused before anything is signed: %s', async (scope, said) => {
  await using world = await createCliWorld();
  for (const argv of [['token'], ['auth', 'whoami'], ['auth', 'check'], ['deploy']]) {
    const { code, stdout, stderr } = await world.osa([...argv, '--scope', scope]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(said);
  }
});

describe('osa token', () => {
  test('prints a token and nothing else, with the scopes and the time that were asked for', async () => {
    const argv = ['token', '--scope', 'hooks:write:a,runs:read', '--scope', 'ingestions:read', '--ttl', '60'];
    const { code, stdout } = await osa(argv);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)]);
    const { exp, iat, jti, ...claims } = payloadOf(stdout);
    expect(claims).toEqual({
      iss: 'test',
      aud: 'osa',
      sub: 'ci',
      scope: 'hooks:write:a runs:read ingestions:read',
    });
    expect([exp - iat, typeof jti]).toEqual([60, 'string']);
    const { status } = await daemon.send('GET', '/api/v1/auth/me', {
      headers: { authorization: `Bearer ${stdout.trim()}` },
    });
    expect(status).toBe(200);
  });

  test('lives for five minutes at most', async () => {
    expect((await osa(['token', '--ttl', '301'])).code).toBe(2);
    const { stdout } = await osa(['token', '--json']);
    const { token, expires_at } = JSON.parse(stdout);
    const { exp, iat, scope } = payloadOf(token);
    expect([exp - iat, scope, Date.parse(expires_at)]).toEqual([300, '', exp * 1_000]);
  });
});

describe('a key in the environment', () => {
  test('is enough, also with the ends of its lines written out', async () => {
    for (const OSA_KEY of [
      pem,
      pem.replaceAll('\n', '\\n'),
      JSON.stringify(daemon.key.key.export({ format: 'jwk' })),
    ]) {
      const { code, stdout } = await osa(['auth', 'whoami', '--json'], here({ OSA_KEY }));
      expect([code, JSON.parse(stdout).subject]).toEqual([0, 'ci']);
    }
  });

  test('beside a file with another is refused, whichever is meant', async () => {
    const { code, stderr } = await osa(['auth', 'whoami'], here({ OSA_KEY: pem, OSA_KEY_FILE: 'key.pem' }));
    expect([code, stderr]).toEqual([4, expect.stringContaining('OSA_KEY and OSA_KEY_FILE are both set')]);
  });

  test('is named in its tokens by the kid that it has', async () => {
    const OSA_KEY = JSON.stringify({ ...daemon.key.key.export({ format: 'jwk' }), kid: 'ci-2026' });
    const { stdout } = await osa(['token'], here({ OSA_KEY }));
    const [head = ''] = stdout.split('.');
    expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toMatchObject({ kid: 'ci-2026' });
    const shown = JSON.parse((await osa(['keys', 'show', '--json'], here({ OSA_KEY }))).stdout);
    expect(shown).toMatchObject({ public_jwk: { kid: 'ci-2026' }, thumbprint: daemon.key.thumbprint });
  });

  test('is shown by its public half only', async () => {
    const { code, stdout, stderr } = await osa(['keys', 'show']);
    expect(code).toBe(0);
    expect(stdout).toContain(daemon.key.kid);
    expect(stdout).toContain('OSA_ISSUER=test');
    const { d } = daemon.key.key.export({ format: 'jwk' });
    expect(stdout + stderr).not.toContain(String(d));
    const alone = await osa(['keys', 'show', '--json'], { OSA_KEY: pem });
    expect(JSON.parse(alone.stdout)).toMatchObject({ from: 'OSA_KEY', thumbprint: daemon.key.kid });
    expect((await osa(['keys', 'show'], {})).code).toBe(4);
  });

  test('in a file that others may read is refused', async () => {
    await using world = await createCliWorld();
    const path = join(world.cwd, 'key.pem');
    await writeFile(path, pem, { mode: 0o644 });
    const { code, stderr } = await world.osa(['auth', 'whoami'], {
      environment: here({ OSA_KEY: '', OSA_KEY_FILE: path }),
    });
    expect([code, stderr]).toEqual([4, expect.stringContaining('chmod 600')]);
  });
});

describe('OSA_TOKEN', () => {
  const token = async (scopes: string[] = [], changes = {}) =>
    (await daemon.bearer(scopes, changes)).replace('Bearer ', '');
  const only = (OSA_TOKEN: string) => ({ OSA_SERVER: daemon.url, OSA_TOKEN });

  test('is sent as it is', async () => {
    const { code, stdout } = await osa(['auth', 'whoami', '--json'], only(`${await token(['runs:read'])}\n`));
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      expect.objectContaining({ subject: 'tester', scopes: ['runs:read'] }),
    ]);
  });

  test('beside a key, or malformed, is refused before anything is sent', async () => {
    await using server = await startFakeServer(() => ({ body: {} }));
    const sent = await token();
    for (const environment of [
      { OSA_TOKEN: sent, OSA_KEY: pem },
      { OSA_TOKEN: sent, OSA_KEY_FILE: 'key.pem' },
      { OSA_TOKEN: 'not a token' },
      { OSA_TOKEN: `${sent}.x` },
    ]) {
      const { code, stderr } = await osa(['auth', 'whoami'], { ...environment, OSA_SERVER: server.url });
      expect([code, stderr]).toEqual([4, expect.stringContaining('OSA_TOKEN')]);
      expect(stderr).not.toContain(sent);
    }
    expect(server.requests).toHaveLength(0);
  });

  test('that lacks a scope learns which, and one that is refused learns where to look', async () => {
    const denied = await osa(['hooks', 'pause', 'probe'], only(await token(['runs:read'])));
    expect([denied.code, denied.stderr]).toEqual([4, expect.stringContaining('hooks:write:probe')]);
    const refused = await osa(['hooks', 'pause', 'probe'], only(await token([], { audience: 'other' })));
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('osa auth check')]);
  });
});

describe('osa auth check', () => {
  async function check(environment: NodeJS.ProcessEnv, ...argv: string[]) {
    const { code, stdout, stderr } = await osa(['auth', 'check', '--json', ...argv], environment);
    const document = JSON.parse(stdout);
    const wrong = (document.checks ?? []).filter(({ ok }: { ok: boolean }) => !ok);
    return {
      code,
      document,
      wrong: wrong.map(({ check: name }: { check: string }) => name),
      text: stdout + stderr,
    };
  }
  const otherKey = generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();

  test('finds nothing wrong where nothing is', async () => {
    const { code, document, wrong } = await check(here(), '--scope', 'hooks:write:a');
    expect([code, document.ok, wrong]).toEqual([0, true, []]);
    expect(document.checks.map(({ check: name }: { check: string }) => name)).toEqual([
      'clock',
      'issuer',
      'key',
      'audience',
      'lifetime',
      'scope',
      'server',
    ]);
  });

  test.each<[string, NodeJS.ProcessEnv, string[]]>([
    ['an issuer that is not trusted', { OSA_ISSUER: 'other' }, ['issuer']],
    ['a wrong audience', { OSA_AUDIENCE: 'elsewhere' }, ['audience']],
    ['an unknown key', { OSA_KEY: otherKey }, ['key']],
    ['several at once', { OSA_KEY: otherKey, OSA_AUDIENCE: 'elsewhere' }, ['key', 'audience']],
  ])('names %s', async (_, changes, expected) => {
    const { code, document, wrong } = await check(here(changes));
    expect([code, document.ok, wrong]).toEqual([4, false, expected]);
  });

  test('names what is wrong with a token from elsewhere, and does not show it', async () => {
    const token = (await daemon.bearer(['runs:read'], { lifetimeSeconds: -100 })).replace('Bearer ', '');
    const { code, wrong, text } = await check(
      { OSA_SERVER: daemon.url, OSA_TOKEN: token },
      '--scope',
      'hooks:write:a',
    );
    expect([code, wrong]).toEqual([4, ['lifetime', 'scope']]);
    for (const part of token.split('.')) expect(text).not.toContain(part);
  });

  test('says that the server refuses what nothing that it publishes speaks against, in one document', async () => {
    const token = (await daemon.bearer(['runs:read'])).replace('Bearer ', '');
    const [header, payload] = token.split('.');
    const forged = `${header}.${payload}.${Buffer.alloc(64, 1).toString('base64url')}`;
    const { code, document, wrong, text } = await check({ OSA_SERVER: daemon.url, OSA_TOKEN: forged });
    expect([code, document.ok, wrong]).toEqual([4, false, ['server']]);
    for (const part of forged.split('.')) expect(text).not.toContain(part);
  });

  test('lets the server judge the token of a person, whose rights are roles', async () => {
    const people = await testDaemon({ trusted: await trustedForTests() });
    try {
      const OSA_TOKEN = person('0198c0de-0000-4000-8000-000000000001');
      const environment = { OSA_SERVER: people.url, OSA_TOKEN };
      const accepted = await check(environment);
      expect([accepted.code, accepted.wrong]).toEqual([0, []]);
      const without = await check(environment, '--scope', 'hooks:write:a');
      expect([without.code, without.wrong]).toEqual([4, ['scope']]);
    } finally {
      await people.close();
    }
  });

  test('names a missing key', async () => {
    const { code, text } = await check({ OSA_SERVER: daemon.url });
    expect([code, text]).toEqual([4, expect.stringContaining('osa keys generate')]);
  });

  test('names a clock that is ten minutes off', async () => {
    for (const [minutes, way] of [
      [10, 'behind'],
      [-10, 'ahead'],
    ] as const) {
      await using server = await startFakeServer(async () => {
        const { text } = await daemon.send('GET', '/api/v1/auth/issuers');
        const now = new Date(Date.now() + minutes * 60_000).toISOString();
        return { body: { ...JSON.parse(text), now } };
      });
      const { code, wrong, document } = await check(here({ OSA_SERVER: server.url }));
      expect([code, wrong]).toEqual([4, ['clock']]);
      expect(document.checks[0].detail).toContain(`10 minutes ${way}`);
      expect(Math.abs(document.clock_offset_seconds - minutes * 60)).toBeLessThan(5);
    }
  });
});
