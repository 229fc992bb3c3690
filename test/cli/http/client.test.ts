import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { readPublicKeys } from '@osa/core/auth/public-keys';
import { tokenVerifier } from '@osa/core/auth/verify-token';
import { describe, expect, test } from 'vitest';
import {
  ingestion,
  rolledBack,
  showConvention,
  showHook,
  traceRow,
} from '../../support/fixtures/cli-answers.ts';
import {
  createCliWorld,
  problem,
  type SeenRequest,
  startFakeServer,
} from '../../support/fixtures/cli-world.ts';

const key = generateKeyPairSync('ed25519').privateKey;
const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString();
const rollback = ['hooks', 'rollback', 'seismic_energy', '--to', '1', '--yes'];

/** The sender that the request's token names, verified as the daemon verifies it. */
async function principalOf({ headers }: SeenRequest, audience: string) {
  const publicPem = createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString();
  const keys = await readPublicKeys(publicPem, 'test');
  const issuer = { issuer: 'osa-cli', audience, scopeClaim: 'scope', scopes: undefined, keys };
  const trusted = { machines: [issuer], primary: undefined, clockSkewSeconds: 5, maxLifetimeSeconds: 300 };
  const verifier = tokenVerifier(trusted);
  return verifier.verify(String(headers.authorization).replace(/^Bearer /, ''));
}

describe('tokens', () => {
  test('carry only the scope that the command needs, for this server', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(({ method }) => ({
      body: method === 'POST' ? rolledBack : showHook,
    }));
    const environment = { OSA_KEY: pem, OSA_SUBJECT: 'ci', OSA_SERVER: server.url };
    const { code } = await world.osa(rollback, { environment });
    expect(code).toBe(0);
    const [read, write] = server.requests;
    expect(read?.headers.authorization).toBeUndefined();
    if (!write) throw new Error('nothing was written');
    const principal = await principalOf(write, server.url);
    expect([...principal.scopes]).toEqual(['hooks:write:seismic_energy']);
    expect(principal.subject).toBe('ci');
    expect(JSON.parse(write.body)).toEqual({ to: 1, expected_live_seq: 2 });
  });

  test('are sent with a read for what they show, and left out when the server does not know the key', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(({ headers }) =>
      headers.authorization ? problem(401, 'invalid_token', 'the token is not accepted') : { body: traceRow },
    );
    const environment = { OSA_KEY: pem, OSA_SERVER: server.url };
    const { code, stderr } = await world.osa(['trace', 'seismic_energy/17'], { environment });
    expect(code).toBe(0);
    expect(stderr).toContain('does not accept this key');
    expect(server.requests.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, false]);
  });

  test('are sent with a read where the server wants one for every read', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(({ headers }) =>
      headers.authorization
        ? { body: { items: [], next_cursor: null, has_more: false } }
        : problem(401, 'missing_token', 'a token is needed'),
    );
    const options = { environment: { OSA_KEY: pem, OSA_SERVER: server.url } };
    expect((await world.osa(['hooks', 'list'], options)).code).toBe(0);
    const without = await world.osa(['hooks', 'list'], { environment: { OSA_SERVER: server.url } });
    expect(without.code).toBe(4);
  });

  test('need a key, and nothing is sent without one', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => ({ body: { items: [], next_cursor: null } }));
    const result = await world.osa(['ingestions', 'list', '--json'], {
      environment: { OSA_SERVER: server.url },
    });
    expect(result.code).toBe(4);
    expect(JSON.parse(result.stdout).error.code).toBe('credentials');
    expect(server.requests).toHaveLength(0);
  });

  test('of the environment are not sent to a server that a project names, and its reads go without', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => ({
      body: { items: [], next_cursor: null, has_more: false },
    }));
    await mkdir(join(world.cwd, '.osa'));
    await writeFile(join(world.cwd, '.osa', 'config.json'), JSON.stringify({ server: server.url }));
    const environment = { OSA_TOKEN: 'aaaa.bbbb.cccc' };
    const refused = await world.osa(['ingestions', 'list'], { environment });
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('--server')]);
    expect(server.requests).toHaveLength(0);
    expect((await world.osa(['hooks', 'list'], { environment })).code).toBe(0);
    const argv = ['ingestions', 'list', '--server', server.url];
    expect((await world.osa(argv, { environment })).code).toBe(0);
    expect(server.requests.map(({ headers }) => headers.authorization !== undefined)).toEqual([false, true]);
  });

  test('are not signed with a key that others can read, and no key is ever shown', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => ({ body: { items: [], next_cursor: null } }));
    const file = join(world.cwd, 'key.pem');
    await writeFile(file, pem, { mode: 0o640 });
    await chmod(file, 0o640);
    const environment = { OSA_SERVER: server.url, OSA_KEY_FILE: file };
    const open = await world.osa(['ingestions', 'list'], { environment });
    expect(open.code).toBe(4);
    expect(open.stderr).toContain(`chmod 600 ${file}`);
    await chmod(file, 0o600);
    expect((await world.osa(['ingestions', 'list'], { environment })).code).toBe(0);

    const secret = '{"kty":"OKP","crv":"Ed25519","d":"c2VjcmV0","x":';
    const broken = await world.osa(['ingestions', 'list'], {
      environment: { ...environment, OSA_KEY: secret },
    });
    expect(broken.code).toBe(4);
    expect(broken.stderr).not.toContain('c2VjcmV0');
    const missing = await world.osa(['ingestions', 'list'], {
      environment: { OSA_SERVER: server.url, OSA_KEY_FILE: join(world.cwd, 'nowhere') },
    });
    expect(missing.code).toBe(4);
  });
});

describe('retries', () => {
  test('repeat a write with the same idempotency key after a lost connection and a 503', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(({ method }, count) => {
      if (method === 'GET') return { body: showHook };
      if (count === 2) return 'cut';
      return count === 3 ? problem(503, 'unavailable', 'draining') : { body: rolledBack };
    });
    const environment = { OSA_KEY: pem, OSA_SERVER: server.url };
    expect((await world.osa(rollback, { environment })).code).toBe(0);
    const keys = server.requests.slice(1).map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(3);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(keys).size).toBe(1);
  });

  test('wait for an own earlier try that is still under way, and not for that of another', async () => {
    await using world = await createCliWorld();
    const busy = problem(409, 'in_progress', 'under way');
    await using server = await startFakeServer(({ method }, count) => {
      if (method === 'GET') return { body: showHook };
      return count === 2 ? 'cut' : count === 3 ? busy : { body: rolledBack };
    });
    const environment = { OSA_KEY: pem, OSA_SERVER: server.url };
    expect((await world.osa(rollback, { environment })).code).toBe(0);

    await using other = await startFakeServer(({ method }) => (method === 'GET' ? { body: showHook } : busy));
    expect((await world.osa(rollback, { environment: { ...environment, OSA_SERVER: other.url } })).code).toBe(
      1,
    );
    expect(other.requests).toHaveLength(2);
  });

  test('end, with the exit code of a server that cannot answer', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => problem(503, 'unavailable', 'draining'));
    expect((await world.osa(['hooks', 'list', '--server', server.url])).code).toBe(5);
    expect(server.requests).toHaveLength(4);
  });

  test('send a file again and standard input never', async () => {
    await using world = await createCliWorld();
    const line = '{"source_id":"a","metadata":{}}\n';
    const file = join(world.cwd, 'records.ndjson');
    await writeFile(file, line);
    const answer = ({ path }: SeenRequest, count: number) => {
      if (path.startsWith('/api/v1/conventions/usgs-earthquakes/ingestions')) {
        return count === 2 ? ('cut' as const) : { status: 201, body: ingestion };
      }
      return { body: path.startsWith('/api/v1/conventions') ? showConvention : ingestion };
    };
    await using server = await startFakeServer(answer);
    const environment = { OSA_KEY: pem, OSA_SERVER: server.url };
    const command = ['ingest', 'usgs-earthquakes', file, '--no-wait', '--batch-size', '7'];
    expect((await world.osa(command, { environment })).code).toBe(0);
    const uploads = server.requests.slice(1);
    expect(uploads.map(({ body }) => body)).toEqual([line, line]);
    expect(uploads[0]?.path).toContain('batch_size=7');
    expect(uploads[0]?.headers['content-type']).toBe('application/x-ndjson');
    expect(uploads[1]?.headers['idempotency-key']).toBe(uploads[0]?.headers['idempotency-key']);

    await using second = await startFakeServer(answer);
    const piped = await world.osa(['ingest', 'usgs-earthquakes', '-', '--no-wait'], {
      environment: { ...environment, OSA_SERVER: second.url },
      stdin: line,
    });
    expect(piped.code).toBe(5);
    expect(second.requests).toHaveLength(2);
  });
});

describe('answers', () => {
  test('that refuse keep code, message, field and details, and choose the exit code', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() =>
      problem(404, 'not_found', 'no hook is named x', { field: 'name', details: { name: 'x' } }),
    );
    const result = await world.osa(['hooks', 'show', 'x', '--json', '--server', server.url]);
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)).toEqual({
      error: { code: 'not_found', message: 'no hook is named x', field: 'name', details: { name: 'x' } },
    });
    expect(result.stderr).toBe('');
  });

  test.each([
    ['a problem with a code that this version does not know', problem(418, 'teapot', 'short and stout'), 1],
    ['a page of a proxy', { status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>Bad</h1>' }, 5],
    ['another shape than the contract', { body: { things: [] } }, 1],
    ['a success that is not JSON', { body: 'fine' }, 1],
    ['a redirection', { status: 302, headers: { location: '/x' }, body: '' }, 1],
  ])('may be %s', async (_, answer, expected) => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => answer);
    const result = await world.osa(['hooks', 'list', '--json', '--server', server.url]);
    expect(result.code).toBe(expected);
    expect(JSON.parse(result.stdout).error.message).not.toBe('');
  });

  test('keep integers that a double cannot hold', async () => {
    await using world = await createCliWorld();
    const text = JSON.stringify(traceRow).replace('"events":3', '"events":9007199254740993');
    await using server = await startFakeServer(() => ({ body: text }));
    const json = await world.osa(['trace', 'seismic_energy/17', '--json', '--server', server.url]);
    expect(json.stdout).toMatch(/"events": 9007199254740993\b/);
    const shown = await world.osa(['trace', 'seismic_energy/17', '--server', server.url]);
    expect(shown.stdout).toMatch(/events +9007199254740993\n/);
  });
});

describe('a server that is not there', () => {
  test('is named, with what to do', async () => {
    await using world = await createCliWorld();
    const server = await startFakeServer(() => ({ body: '' }));
    await server[Symbol.asyncDispose]();
    const result = await world.osa(['hooks', 'list', '--server', server.url]);
    expect(result.code).toBe(5);
    expect(result.stderr).toContain(server.url);
    expect(result.stderr).toContain('osa dev');
  });

  test('may be something that does not speak HTTP', async () => {
    await using world = await createCliWorld();
    const tcp = createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const address = tcp.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const result = await world.osa(['hooks', 'list', '--server', `http://127.0.0.1:${port}`]);
    tcp.close();
    expect(result.code).toBe(5);
  });
});

test.each(['..', '.', ''])('does not let the name %j change the path', async (name) => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => ({ body: {} }));
  expect((await world.osa(['hooks', 'show', name, '--server', server.url])).code).toBe(2);
  expect(server.requests).toHaveLength(0);
});

test('ends with 130 when it is interrupted', async () => {
  await using world = await createCliWorld();
  const interruption = new AbortController();
  await using server = await startFakeServer(() => {
    interruption.abort();
    return problem(503, 'unavailable', 'draining');
  });
  const result = await world.osa(['hooks', 'list', '--server', server.url, '--json'], {
    signal: interruption.signal,
  });
  expect(result.code).toBe(130);
  expect(JSON.parse(result.stdout).error.code).toBe('interrupted');
});

describe('a name that the server does not have', () => {
  const at = (path: string) => {
    if (path === '/api/v1/hooks') {
      return { body: { items: [showHook], next_cursor: null, has_more: false } };
    }
    if (path === '/api/v1/conventions') {
      const { id, title, description, schema_id, created_at } = showConvention;
      const items = [{ id, title, description, schema_id, created_at }];
      return { body: { items, next_cursor: null, has_more: false } };
    }
    return problem(404, 'not_found', `no such thing: ${path}`, { field: 'name' });
  };

  test.each([
    [['hooks', 'show', 'seismic_enery'], 'seismic_energy'],
    [['hooks', 'history', 'seismic_enrgy'], 'seismic_energy'],
    [['hooks', 'rollback', 'seismik_energy', '--yes'], 'seismic_energy'],
    [['rows', 'seismicenergy'], 'seismic_energy'],
    [['trace', 'seismic_enegry/17'], 'seismic_energy'],
    [['conventions', 'show', 'usgs-earthquake'], 'usgs-earthquakes'],
    [['ingest', 'usgs-erthquakes', 'records.ndjson'], 'usgs-earthquakes'],
  ])('%j gets the nearest one', async (argv, near) => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(({ path }) => at(path));
    await writeFile(join(world.cwd, 'records.ndjson'), '');
    const { code, stdout } = await world.osa([...argv, '--json', '--server', server.url]);
    const { error } = JSON.parse(stdout);
    expect([code, error.code, error.field, error.details.did_you_mean]).toEqual([
      1,
      'not_found',
      'name',
      near,
    ]);
    expect(error.message).toContain(`(did you mean ${near}?)`);
  });

  test.each([[['hooks', 'show', 'something_else']], [['trace', 'seismic_energy/18']]])(
    '%j gets none where nothing is near, or the name is right',
    async (argv) => {
      await using world = await createCliWorld();
      await using server = await startFakeServer(({ path }) => at(path));
      const { code, stderr } = await world.osa([...argv, '--server', server.url]);
      expect(code).toBe(1);
      expect(stderr).not.toContain('did you mean');
    },
  );

  test('is refused as it was where the names cannot be had', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(({ path }) =>
      path === '/api/v1/hooks' ? problem(500, 'internal', 'broken') : at(path),
    );
    const { code, stderr } = await world.osa(['hooks', 'show', 'x', '--server', server.url]);
    expect([code, stderr]).toEqual([1, 'error: no such thing: /api/v1/hooks/x\n']);
  });
});
