import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { scratch, until } from '../support/database/database.ts';
import { osa, osaJson } from '../support/programs.ts';
import { writeProject } from '../support/project.ts';
import {
  type ProjectDaemon,
  refused,
  refusedPlainly,
  startProjectDaemon,
} from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Clients that cannot reach the daemon, may not, break off, or come twice: nothing is half done. */

let stage: ProjectDaemon;
let place: string;
beforeAll(async () => {
  stage = await startProjectDaemon();
  const own = await stage.project();
  await writeProject(own, { code: doubles });
  await osaJson(own, ['deploy']);
});
beforeEach(async () => {
  place = await stage.project();
  await writeProject(place, { code: doubles });
});
afterAll(() => stage.close());

const doubles = hookCode('return { features: [{ value: metadata.value * 2 }] }');

describe('the server', () => {
  test('that does not answer: exit code 5, and where it was looked for', async () => {
    const server = ['--server', 'http://127.0.0.1:9'];
    const found = await refused(place, ['deploy', ...server], { exit: 5, env: ownKey() });
    expect([found.code, found.message]).toEqual(['unreachable', expect.stringContaining('127.0.0.1:9')]);
    expect(await refusedPlainly(place, ['hooks', 'list', ...server], { exit: 5 })).toContain('osa dev');
  });

  test('that is configured nowhere', async () => {
    await using elsewhere = await disposable();
    expect((await refused(elsewhere.path, ['hooks', 'list'], { exit: 5 })).code).toBe('unreachable');
  });

  test('whose daemon has ended', async () => {
    await using elsewhere = await disposable();
    await mkdir(join(elsewhere.path, '.osa'));
    const announced = JSON.parse(await readFile(join(stage.directory, '.osa/daemon.json'), 'utf8'));
    const ended = { ...announced, pid: 2 ** 22 + 1 };
    await writeFile(join(elsewhere.path, '.osa/daemon.json'), JSON.stringify(ended));
    const found = await refused(elsewhere.path, ['hooks', 'list'], { exit: 5 });
    expect(found.message).toContain('osa dev');
  });

  test('that speaks another language', async () => {
    const other = createServer((_, response) => response.end('<html>hello</html>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    try {
      await refused(place, ['hooks', 'list', '--server', `http://127.0.0.1:${port}`], { exit: 1 });
    } finally {
      other.close();
    }
  });

  test.each(['nonsense', 'ftp://x', 'http://user:secret@127.0.0.1:1'])('as %s', async (url) => {
    const found = await refused(place, ['hooks', 'list', '--server', url], { exit: 2 });
    expect(found.code).toBe('usage');
  });
});

/** The settings of somebody who has a key of their own. */
function ownKey(): Record<string, string> {
  const { privateKey } = generateKeyPairSync('ed25519');
  return { OSA_KEY: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() };
}

async function disposable() {
  const made = await scratch();
  return { ...made, [Symbol.asyncDispose]: () => made.dispose() };
}

describe('the key', () => {
  const server = () => ({ OSA_SERVER: stage.daemon.url });

  test('that is not there', async () => {
    await using elsewhere = await disposable();
    await cp(place, elsewhere.path, { recursive: true });
    const found = await stage.changingNothing(() =>
      refused(elsewhere.path, ['deploy'], { exit: 4, env: server() }),
    );
    expect([found.code, found.message]).toEqual([
      'credentials',
      expect.stringContaining('osa keys generate'),
    ]);
  });

  test.each<[string, () => string]>([
    ['garbage', () => 'hunter2-hunter2-hunter2'],
    ['half a PEM', () => `-----BEGIN PRIVATE KEY-----\n${'hunter2'.repeat(9)}`],
    ['a JWK without its secret', () => '{"kty":"OKP","crv":"Ed25519","x":"hunter2hunter2hunter2"}'],
    ['JSON that breaks off', () => '{"kty":"OKP","d":"hunter2hunter2hunter2'],
    ['RSA', () => pem(generateKeyPairSync('rsa', { modulusLength: 2048 }))],
    ['of another curve', () => pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }))],
  ])('that is %s: exit code 4, and none of it is shown', async (_, make) => {
    const text = make();
    const secrets = text.split('\n').filter((line) => line.length > 12 && !line.startsWith('-----'));
    const env = { ...server(), OSA_KEY: text };
    const found = await stage.changingNothing(() => refused(place, ['deploy'], { exit: 4, env }));
    expect([found.code, found.message]).toEqual(['credentials', expect.stringContaining('OSA_KEY')]);
    const { stdout, stderr } = await osa(place, ['deploy'], { ...env, OSA_DEBUG: '1' });
    const output = `${JSON.stringify(found)}${stdout}${stderr}`;
    for (const secret of [...secrets, 'hunter2']) expect(output).not.toContain(secret);
  });

  test('in a file that others may read', async () => {
    const file = join(place, 'key.pem');
    await writeFile(file, ownKey().OSA_KEY ?? '', { mode: 0o644 });
    await chmod(file, 0o644);
    const found = await refused(place, ['deploy'], { exit: 4, env: { ...server(), OSA_KEY_FILE: file } });
    expect(found.details).toMatchObject({ path: file, mode: '0644' });
  });

  test('in a file that is not there, or is a directory', async () => {
    for (const file of [join(place, 'nothing.pem'), join(place, 'hooks')]) {
      const found = await refused(place, ['deploy'], { exit: 4, env: { ...server(), OSA_KEY_FILE: file } });
      expect(found.message).toMatch(/^OSA_KEY_FILE(: the file cannot be read \(ENOENT\)| is not a file)/);
    }
  });

  test('in a file that cannot be read, by root either', async () => {
    const file = join(place, 'loop.pem');
    await symlink(file, file);
    const found = await refused(place, ['deploy'], { exit: 4, env: { ...server(), OSA_KEY_FILE: file } });
    expect(found.message).toContain('ELOOP');
  });

  test.each<[string, () => Record<string, string>]>([
    ['that the daemon does not know', () => ({ ...server(), ...ownKey() })],
    ['with another issuer', () => ({ OSA_ISSUER: 'somebody' })],
    ['for another audience', () => ({ OSA_AUDIENCE: 'https://elsewhere.example' })],
  ])('%s: exit code 4', async (_, env) => {
    const found = await stage.changingNothing(() => refused(place, ['deploy'], { exit: 4, env: env() }));
    expect(found.code).toBe('invalid_token');
  });

  test('whose token has expired is refused by the daemon', async () => {
    const body = JSON.stringify({ source_id: 'late', metadata: { value: 1 } });
    const authorization = await stage.http.bearer({ lifetimeSeconds: -300 });
    const headers = { authorization, 'content-type': 'application/x-ndjson' };
    await stage.changingNothing(async () => {
      const { status, problem } = await stage.http.send('POST', '/api/v1/conventions/numbers/ingestions', {
        headers,
        body,
      });
      expect([status, problem?.code]).toEqual([401, 'invalid_token']);
    });
  });

  function pem({ privateKey }: { privateKey: KeyObject }): string {
    return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  }
});

describe.skipIf(process.platform !== 'linux')('an upload that is cut off', () => {
  const lines = `${JSON.stringify({ source_id: 'cut', metadata: { value: 1 } })}\n`;

  test.each([
    ['records, with a length', 'POST', '/api/v1/conventions/numbers/ingestions', 'Content-Length: 100000'],
    ['records, in chunks', 'POST', '/api/v1/conventions/numbers/ingestions', 'Transfer-Encoding: chunked'],
    ['code, with a length', 'PUT', `/api/v1/blobs/${'0'.repeat(64)}`, 'Content-Length: 100000'],
    ['code, in chunks', 'PUT', `/api/v1/blobs/${'0'.repeat(64)}`, 'Transfer-Encoding: chunked'],
  ])('%s: nothing is stored', async (_, method, path, framing) => {
    const type = method === 'POST' ? 'application/x-ndjson' : 'application/octet-stream';
    await stage.changingNothing(async () => {
      const socket = await opened();
      const head = [
        `${method} ${path} HTTP/1.1`,
        'Host: localhost',
        `Authorization: ${await stage.http.bearer()}`,
      ];
      socket.write([...head, `Content-Type: ${type}`, framing, '', ''].join('\r\n'));
      socket.write(framing.startsWith('T') ? `${lines.length.toString(16)}\r\n${lines}\r\n` : lines);
      // The file of an upload has no name; that the daemon holds it shows that the bytes have come.
      await until('the upload to begin', async () => (await heldUploads()) === 1);
      socket.destroy();
      await until('the daemon to let go of it', async () => (await heldUploads()) === 0);
    });
    expect(await spooled()).toEqual([]);
    expect((await stage.http.get(`/api/v1/blobs/${'0'.repeat(64)}`)).status).toBe(404);
  });

  async function opened(): Promise<Socket> {
    const socket = connectSocket({ host: '127.0.0.1', port: stage.http.port });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return socket;
  }

  async function heldUploads(): Promise<number> {
    const descriptors = `/proc/${stage.daemon.process.pid}/fd`;
    const names = await readdir(descriptors);
    const targets = await Promise.all(names.map((name) => readlink(join(descriptors, name)).catch(() => '')));
    return targets.filter((target) => target.includes('/.osa/data/spool/')).length;
  }
});

async function spooled(): Promise<string[]> {
  return readdir(join(stage.directory, '.osa/data/spool'));
}

describe('Idempotency-Key', () => {
  const path = '/api/v1/conventions/numbers/ingestions';
  const body = (id: string, value = 1) => `${JSON.stringify({ source_id: id, metadata: { value } })}\n`;
  const post = (key: string, content: string) =>
    stage.http.send('POST', path, {
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': key },
      body: content,
    });
  const count = async () => Number((await stage.stored()).ingestions);

  test('the same key and body give the same answer, and one ingestion', async () => {
    const before = await count();
    const first = await post('key-same', body('idempotent'));
    const second = await post('key-same', body('idempotent'));
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json).toEqual(first.json);
    expect(await count()).toBe(before + 1);
  });

  test('another body under the same key is refused', async () => {
    const before = await count();
    await post('key-other', body('idempotent-a'));
    const { status, problem } = await post('key-other', body('idempotent-b'));
    expect([status, problem?.code]).toEqual([422, 'idempotency_mismatch']);
    expect(await count()).toBe(before + 1);
  });

  test('a request that was refused may be sent again, mended', async () => {
    const before = await count();
    expect((await post('key-mended', '{')).status).toBe(400);
    expect((await post('key-mended', body('idempotent-mended'))).status).toBe(201);
    expect(await count()).toBe(before + 1);
  });

  test('the key of another actor is another key', async () => {
    const before = await count();
    const headers = {
      'content-type': 'application/x-ndjson',
      'idempotency-key': 'key-actor',
      authorization: await stage.http.bearer({ subject: 'somebody-else' }),
    };
    const [mine, theirs] = [
      await post('key-actor', body('idempotent-actor')),
      await stage.http.send('POST', path, { headers, body: body('idempotent-actor') }),
    ];
    expect([mine.status, theirs.status]).toEqual([201, 201]);
    expect(theirs.json).not.toMatchObject({ id: (mine.json as { id: string }).id });
    expect(await count()).toBe(before + 2);
  });

  test('many at once are one ingestion', async () => {
    const before = await count();
    const lines = Array.from({ length: 2_000 }, (_, index) => body(`idempotent-${index}`, index)).join('');
    const replies = await Promise.all([1, 2, 3, 4].map(() => post('key-race', lines)));
    const made = replies.filter(({ status }) => status === 201);
    expect(made.length).toBeGreaterThan(0);
    for (const { json } of made) expect(json).toEqual(made[0]?.json);
    for (const { status, problem } of replies.filter((reply) => reply.status !== 201)) {
      expect([status, problem?.code]).toEqual([409, 'in_progress']);
    }
    expect(await count()).toBe(before + 1);
  });
});
