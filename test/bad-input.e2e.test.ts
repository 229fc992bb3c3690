import { generateKeyPairSync } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { removeEmbedded } from '@osa/core/postgres/embedded';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { scratch, until } from './harness.ts';
import { type Http, signedHttp, stored } from './http.ts';
import { type Daemon, osa, osaJson, startDaemon } from './programs.ts';
import { writeProject, writeRecords } from './project.ts';
import { hookCode } from './workbench.ts';

vi.setConfig({ testTimeout: 60_000 });

/** What goes wrong on the first day: each a clear refusal with its exit code, and nothing half done. */

let directory: Awaited<ReturnType<typeof scratch>>;
let daemon: Daemon;
let http: Http;
let place: string;
beforeAll(async () => {
  directory = await scratch();
  daemon = await startDaemon(directory.path);
  http = await signedHttp(daemon.url, directory.path);
});
beforeEach(async () => {
  place = await mkdtemp(join(directory.path, 'project-'));
  await writeProject(place, { code: doubles });
});
afterAll(async () => {
  const code = await daemon.end('SIGTERM');
  await removeEmbedded(join(directory.path, '.osa'));
  await directory.dispose();
  expect(code).toBe(0);
  expect(daemon.output()).not.toMatch(stackTrace);
});

const doubles = hookCode('return { features: [{ value: metadata.value * 2 }] }');
const stackTrace = /\n\s+at .*[:(]/;
/** Bad input stops the daemon in no case: it answers afterwards, and has written no stack trace. */

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly field: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: facts of any shape, which each test looks into
  readonly details: any;
}

/** Runs a command that must be refused, as people and as programs call it. */
async function refused(
  args: readonly string[],
  { exit, env = {}, cwd = place }: { exit: number; env?: Record<string, string>; cwd?: string },
): Promise<Refusal & { readonly stderr: string }> {
  const plain = await osa(cwd, args, env);
  expect([plain.exitCode, plain.stdout], plain.stderr).toEqual([exit, '']);
  const asked = await osa(cwd, [...args, '--json'], env);
  expect(asked.exitCode).toBe(exit);
  for (const text of [plain.stderr, asked.stdout, asked.stderr]) expect(text).not.toMatch(stackTrace);
  const { error } = JSON.parse(asked.stdout);
  expect(error.message.length).toBeGreaterThan(10);
  return { ...error, stderr: plain.stderr };
}

/** Runs `act`, after which the database must be as it was. */
async function changingNothing<T>(act: () => Promise<T>): Promise<T> {
  const before = await stored(directory.path);
  const result = await act();
  expect(await stored(directory.path)).toEqual(before);
  return result;
}

async function edit(from: string | RegExp, to: string): Promise<string> {
  const file = join(place, 'convention.yaml');
  const text = await readFile(file, 'utf8');
  const edited = text.replace(from, () => to);
  expect(edited).not.toBe(text);
  await writeFile(file, edited);
  return edited;
}

/** `line:column` of where `text` first stands, from 1. */
function placeOf(file: string, text: string): string {
  const before = file.slice(0, file.indexOf(text)).split('\n');
  return `${before.length}:${(before.at(-1) ?? '').length + 1}`;
}

describe('convention.yaml', () => {
  const column = '{ name: value, json_type: number, required: true }';

  test.each<[string, { from: string | RegExp; to: string; at: string; path: string }]>([
    ['an unknown field', { from: 'title:', to: 'titel:', at: 'titel', path: 'titel' }],
    [
      'an unknown type',
      {
        from: 'json_type: number',
        to: 'json_type: numbr',
        at: 'numbr',
        path: 'hooks[0].feature.columns[0].json_type',
      },
    ],
    [
      'text for a boolean',
      {
        from: 'number, required: true',
        to: 'number, required: "yes"',
        at: '"yes"',
        path: 'schema.fields[0].required',
      },
    ],
    [
      'a number for a text',
      {
        from: 'description: Numbers, to be doubled.',
        to: 'description: 1234',
        at: '1234',
        path: 'description',
      },
    ],
    [
      'a list for a mapping',
      { from: /schema:\n[^]*?(?=files:)/, to: 'schema: [earthquake]\n', at: '[earthquake]', path: 'schema' },
    ],
    [
      'a column twice',
      {
        from: `[${column}]`,
        to: `[${column}, { name:  value, json_type: string, required: true }]`,
        at: ' value, json_type: string',
        path: 'hooks[0].feature.columns[1].name',
      },
    ],
    [
      'a reserved column',
      {
        from: 'name: value, json_type',
        to: 'name: run_id, json_type',
        at: 'run_id',
        path: 'hooks[0].feature.columns[0].name',
      },
    ],
    [
      'a system column',
      {
        from: 'name: value, json_type',
        to: 'name: xmin, json_type',
        at: 'xmin',
        path: 'hooks[0].feature.columns[0].name',
      },
    ],
    [
      'a reserved hook',
      { from: '- name: doubled', to: '- name: releases', at: 'releases', path: 'hooks[0].name' },
    ],
    ['a hook as a path', { from: '- name: doubled', to: '- name: ../x', at: '../x', path: 'hooks[0].name' }],
    [
      'a reserved schema',
      { from: 'id: number-record', to: 'id: datasets', at: 'datasets', path: 'schema.id' },
    ],
    [
      'a version that is none',
      { from: 'version: 1.0.0', to: 'version: one', at: 'one\n', path: 'schema.version' },
    ],
  ])('with %s: the place, exit code 2, and nothing is sent', async (_, { from, to, at, path }) => {
    const text = await edit(from, to);
    const { code, details, stderr } = await changingNothing(() => refused(['deploy'], { exit: 2 }));
    expect(code).toBe('usage');
    const found = placeOf(text, at).replace(
      /:(\d+)$/,
      (_match, n) => `:${Number(n) + (at.startsWith(' ') ? 1 : 0)}`,
    );
    const places = details.problems.map(
      (problem: { line: number; column: number; path: string }) =>
        `${problem.line}:${problem.column} ${problem.path}`,
    );
    expect(places).toContain(`${found} ${path}`);
    expect(stderr).toContain(`convention.yaml:${found} ${path}: `);
  });

  test('with a hook twice: both places', async () => {
    const file = join(place, 'convention.yaml');
    const text = await readFile(file, 'utf8');
    const hook = text.slice(text.indexOf('  - name: doubled'));
    await writeFile(file, `${text}${hook}`);
    const { details, stderr } = await changingNothing(() => refused(['deploy'], { exit: 2 }));
    const first = placeOf(text, 'doubled\n    feature');
    expect(details.problems).toMatchObject([{ path: 'hooks[1].name' }]);
    expect(stderr).toContain('hooks[0]');
    expect(stderr).toContain(first);
  });

  test.each([
    ['a bracket that is not closed', 'columns: [{ name: value', 'columns: [{ name: [value'],
    ['a tab for indentation', '  id: number-record', '\tid: number-record'],
    ['a key twice', 'title: Numbers', 'title: Numbers\ntitle: Others'],
    ['an alias to nowhere', 'title: Numbers', 'title: *nothing'],
  ])('that is not YAML, with %s: a place and exit code 2', async (_, from, to) => {
    await edit(from, to);
    const { code, stderr } = await changingNothing(() => refused(['deploy'], { exit: 2 }));
    expect(code).toBe('usage');
    expect(stderr).toMatch(/^convention\.yaml:\d+:\d+/m);
  });

  test.each([
    ['is empty', ''],
    ['is a list', '- a\n'],
    ['is not text', '\u0000\u0001'],
  ])('that %s', async (_, text) => {
    await writeFile(join(place, 'convention.yaml'), text);
    expect((await changingNothing(() => refused(['deploy'], { exit: 2 }))).code).toBe('usage');
  });

  test('that is not there: what to do', async () => {
    await rm(join(place, 'convention.yaml'));
    const { stderr } = await changingNothing(() => refused(['deploy'], { exit: 2 }));
    expect(stderr).toContain('osa init');
    await refused(['deploy', 'hooks'], { exit: 2 });
  });

  test('all problems are told at once', async () => {
    await edit('title:', 'titel:');
    await edit('json_type: number', 'json_type: numbr');
    await edit('max_count: 0', 'max_count: many');
    const { details } = await refused(['deploy'], { exit: 2 });
    const paths = details.problems.map(({ path }: { path: string }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(['titel', 'hooks[0].feature.columns[0].json_type', 'files.max_count']),
    );
  });
});

describe('a hook’s directory', () => {
  const hook = () => join(place, 'hooks/doubled');

  test('that is not there', async () => {
    await rm(hook(), { recursive: true });
    await expectDirectoryProblem();
  });

  test('that is a file', async () => {
    await rm(hook(), { recursive: true });
    await writeFile(hook(), 'code');
    await expectDirectoryProblem();
  });

  test.each([
    ['an absolute path', '/etc/hostname'],
    ['what is beside it', '../../convention.yaml'],
    ['nothing', 'nowhere.mjs'],
  ])('with a link to %s', async (_, target) => {
    await symlink(target, join(hook(), 'link'));
    await expectDirectoryProblem('link');
  });

  test('that is absolute in the file', async () => {
    await edit('directory: ./hooks/doubled', `directory: ${hook()}`);
    await expectDirectoryProblem();
  });

  async function expectDirectoryProblem(named = ''): Promise<void> {
    const { code, details, stderr } = await changingNothing(() => refused(['deploy'], { exit: 2 }));
    expect(code).toBe('usage');
    expect(details.problems).toMatchObject([{ path: 'hooks[0].release.directory' }]);
    expect(stderr).toMatch(/^convention\.yaml:\d+:\d+ hooks\[0\]\.release\.directory: /m);
    expect(stderr).toContain(named);
  }
});

describe('what is deployed does not change', () => {
  const second = (name: string) => `
  - name: ${name}
    feature:
      cardinality: one
      columns: [{ name: value, json_type: number, required: true }]
    release: { directory: ./hooks/doubled, command: [node, hook.mjs], source_ref: git:test }
`;

  test('a schema under the same version: the differences, and nothing else of the deploy happens', async () => {
    await deployed('schema');
    const text = await edit(
      'name: value, type: number, required: true',
      'name: value, type: text, required: false',
    );
    await writeFile(join(place, 'convention.yaml'), `${text.trimEnd()}${second('beside_schema')}`);
    await edit('title: Numbers', 'title: Words');
    const { code, field, details } = await changingNothing(() => refused(['deploy'], { exit: 1 }));
    expect([code, field]).toEqual(['conflict', 'schema.fields.value.required']);
    expect(details.differences).toEqual([
      { path: 'schema.fields.value.required', from: true, to: false },
      { path: 'schema.fields.value.type', from: 'number', to: 'text' },
    ]);
    expect((await http.get('/api/v1/hooks/beside_schema')).status).toBe(404);
  });

  test('a contract: the differences, and nothing else of the deploy happens', async () => {
    await deployed('contract');
    const text = await edit(
      'columns: [{ name: value, json_type: number, required: true }]',
      'columns: [{ name: value, json_type: number, required: true, unit: m }, { name: more, json_type: string, required: false }]',
    );
    await writeFile(join(place, 'convention.yaml'), `${text.trimEnd()}${second('beside_contract')}`);
    const { code, details } = await changingNothing(() => refused(['deploy'], { exit: 1 }));
    expect(code).toBe('conflict');
    expect(details.differences).toEqual([
      { path: 'hooks[0].feature.columns.more', from: null, to: 'string' },
      { path: 'hooks[0].feature.columns.value.unit', from: null, to: 'm' },
    ]);
    expect((await http.get('/api/v1/hooks/beside_contract')).status).toBe(404);
  });

  /** A convention, schema and hook of their own. */
  async function deployed(name: string): Promise<void> {
    await edit('slug: numbers', `slug: ${name}-numbers`);
    await edit('id: number-record', `id: ${name}-record`);
    await edit('- name: doubled', `- name: ${name}_doubled`);
    expect((await osaJson(place, ['deploy'])).changed).toBe(true);
  }
});

describe('records', () => {
  const valid = (id: string, value = 1) => `${JSON.stringify({ source_id: id, metadata: { value } })}\n`;
  beforeAll(async () => {
    const own = await mkdtemp(join(directory.path, 'records-'));
    await writeProject(own, { code: doubles });
    await osaJson(own, ['deploy']);
  });

  test('that break the schema are kept as invalid, and never cost the others', async () => {
    const lines = [
      valid('good-1', 1),
      '{"source_id": "text", "metadata": {"value": "1"}}\n',
      '{"source_id": "missing", "metadata": {}}\n',
      '{"source_id": "unknown", "metadata": {"value": 1, "colour": "red"}}\n',
      valid('good-2', 2),
    ];
    await writeFile(join(place, 'records.ndjson'), lines.join(''));
    const answer = await osaJson(place, ['ingest', 'numbers', 'records.ndjson']);
    expect(answer).toMatchObject({ status: 'completed', records: 5, invalid: 3, published: 2, rows: 2 });
    const { items } = await osaJson(place, ['ingestions', 'show', answer.id, '--failed']);
    expect(items).toMatchObject([
      { source_id: 'text', line: 2, status: 'invalid', reason: expect.stringContaining('value') },
      { source_id: 'missing', line: 3, status: 'invalid', reason: expect.stringContaining('value') },
      { source_id: 'unknown', line: 4, status: 'invalid', reason: expect.stringContaining('colour') },
    ]);
  });

  test.each<[string, string | Buffer, { exit: number; code: string; line?: number; args?: string[] }]>([
    [
      'whose last line is cut off',
      `${valid('a')}${valid('b').slice(0, 30)}`,
      { exit: 2, code: 'malformed', line: 2 },
    ],
    [
      'with a byte that is not UTF-8',
      Buffer.concat([
        Buffer.from(`${valid('a')}{"source_id": "`),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('", "metadata": {}}\n'),
      ]),
      { exit: 2, code: 'malformed', line: 2 },
    ],
    ['with a line that is no object', `${valid('a')}[1]\n`, { exit: 1, code: 'invalid', line: 2 }],
    ['with a line that is no JSON', `source_id,value\na,1\n`, { exit: 2, code: 'malformed', line: 1 }],
    [
      'with an id that is a number',
      '{"source_id": 7, "metadata": {"value": 1}}\n',
      { exit: 1, code: 'invalid', line: 1 },
    ],
    ['without an id', '{"metadata": {"value": 1}}\n', { exit: 1, code: 'invalid', line: 1 }],
    [
      'with an unknown member',
      '{"source_id": "a", "metadata": {}, "run_id": "x"}\n',
      { exit: 1, code: 'invalid', line: 1 },
    ],
    [
      'with a line that is too long',
      valid('a') + valid('x'.repeat(1024 * 1024)),
      { exit: 1, code: 'too_large', line: 2 },
    ],
    ['that is empty', '', { exit: 1, code: 'invalid' }],
    ['that holds only blank lines', '\n \r\n\n', { exit: 1, code: 'invalid' }],
  ])('a file %s changes nothing', async (_, content, { exit, code, line }) => {
    await writeFile(join(place, 'records.ndjson'), content);
    const args = ['ingest', 'numbers', 'records.ndjson', '--batch-size', '1'];
    const found = await changingNothing(() => refused(args, { exit }));
    expect([found.code, found.details.line]).toEqual([code, line]);
    if (line !== undefined) expect(found.stderr).toContain(`line ${line}`);
    expect(await spooled()).toEqual([]);
  });

  test('a source twice, in different batches: both lines are named', async () => {
    const lines = ['a', 'b', 'c', 'd', 'e', 'b'].map((id, index) => valid(id, index));
    await writeFile(join(place, 'records.ndjson'), lines.join(''));
    const args = ['ingest', 'numbers', 'records.ndjson', '--batch-size', '2'];
    const found = await changingNothing(() => refused(args, { exit: 1 }));
    expect(found).toMatchObject({ code: 'invalid', field: 'source_id', details: { line: 6, first_line: 2 } });
    expect(found.stderr).toMatch(/line 6\b.*"b".*line 2\b/);
  });

  test('a file that is not there, or is a directory', async () => {
    await changingNothing(() => refused(['ingest', 'numbers', 'nothing.ndjson'], { exit: 2 }));
    await changingNothing(() => refused(['ingest', 'numbers', 'hooks'], { exit: 2 }));
  });

  test('a convention that is not there', async () => {
    await writeFile(join(place, 'records.ndjson'), valid('a'));
    const found = await changingNothing(() => refused(['ingest', 'nothing', 'records.ndjson'], { exit: 1 }));
    expect([found.code, found.stderr]).toEqual(['not_found', expect.stringContaining('nothing')]);
  });

  test('an ingestion or a hook that is not there', async () => {
    const id = '0198c0de-0000-7000-8000-000000000009';
    for (const args of [
      ['ingestions', 'show', id],
      ['ingestions', 'show', id, '--failed'],
      ['ingestions', 'retry', id],
      ['hooks', 'show', 'nothing'],
      ['hooks', 'history', 'nothing'],
      ['hooks', 'rollback', 'nothing', '--yes'],
      ['rows', 'nothing'],
    ]) {
      const found = await changingNothing(() => refused(args, { exit: 1 }));
      expect([found.code, found.stderr]).toEqual([
        'not_found',
        expect.stringMatching(new RegExp(`${id}|nothing`)),
      ]);
    }
  });
});

async function spooled(): Promise<string[]> {
  return readdir(join(directory.path, '.osa/data/spool'));
}

describe('an upload that is cut off', () => {
  beforeAll(() => writeRecords(join(directory.path, 'whole.ndjson'), [['cut', 1]]));

  test.each([
    ['records, with a length', 'POST', '/api/v1/conventions/numbers/ingestions', 'Content-Length: 100000'],
    ['records, in chunks', 'POST', '/api/v1/conventions/numbers/ingestions', 'Transfer-Encoding: chunked'],
    ['code, with a length', 'PUT', `/api/v1/blobs/${'0'.repeat(64)}`, 'Content-Length: 100000'],
    ['code, in chunks', 'PUT', `/api/v1/blobs/${'0'.repeat(64)}`, 'Transfer-Encoding: chunked'],
  ])('%s: nothing is stored', async (_, method, path, framing) => {
    const lines = await readFile(join(directory.path, 'whole.ndjson'), 'utf8');
    const type = method === 'POST' ? 'application/x-ndjson' : 'application/octet-stream';
    await changingNothing(async () => {
      const socket = await opened();
      const head = [`${method} ${path} HTTP/1.1`, 'Host: x', `Authorization: ${await http.bearer()}`];
      socket.write([...head, `Content-Type: ${type}`, framing, '', ''].join('\r\n'));
      socket.write(framing.startsWith('T') ? `${lines.length.toString(16)}\r\n${lines}\r\n` : lines);
      // The file of an upload has no name; that the daemon holds it shows that the bytes have come.
      await until('the upload to begin', async () => (await heldUploads()) === 1);
      socket.destroy();
      await until('the daemon to let go of it', async () => (await heldUploads()) === 0);
    });
    expect(await spooled()).toEqual([]);
    expect((await http.get(`/api/v1/blobs/${'0'.repeat(64)}`)).status).toBe(404);
  });

  async function opened(): Promise<Socket> {
    const socket = connectSocket({ host: '127.0.0.1', port: http.port });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return socket;
  }

  async function heldUploads(): Promise<number> {
    const { readlink } = await import('node:fs/promises');
    const descriptors = `/proc/${daemon.process.pid}/fd`;
    const names = await readdir(descriptors);
    const targets = await Promise.all(names.map((name) => readlink(join(descriptors, name)).catch(() => '')));
    return targets.filter((target) => target.includes('/.osa/data/spool/')).length;
  }
});

describe('Idempotency-Key', () => {
  const path = '/api/v1/conventions/numbers/ingestions';
  const body = (id: string, value = 1) => `${JSON.stringify({ source_id: id, metadata: { value } })}\n`;
  const post = (key: string, content: string) =>
    http.send('POST', path, {
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': key },
      body: content,
    });
  const count = async () => Number((await stored(directory.path)).ingestions);

  test('the same key and body give the same answer, and one ingestion', async () => {
    const before = await count();
    const first = await post('key-same', body('idempotent'));
    const second = await post('key-same', body('idempotent'));
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json).toEqual(first.json);
    expect(await count()).toBe(before + 1);
  });

  test('another body under the same key is refused', async () => {
    await post('key-other', body('idempotent-a'));
    await changingNothing(async () => {
      const { status, problem } = await post('key-other', body('idempotent-b'));
      expect([status, problem?.code]).toEqual([422, 'idempotency_mismatch']);
    });
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
      authorization: await http.bearer({ subject: 'somebody-else' }),
    };
    const [mine, theirs] = [
      await post('key-actor', body('idempotent-actor')),
      await http.send('POST', path, { headers, body: body('idempotent-actor') }),
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

describe('the server', () => {
  test('that does not answer: exit code 5, and where it was looked for', async () => {
    const found = await refused(['deploy', '--server', 'http://127.0.0.1:9'], { exit: 5, env: ownKey() });
    expect([found.code, found.stderr]).toEqual(['unreachable', expect.stringContaining('127.0.0.1:9')]);
  });

  test('that is configured nowhere', async () => {
    await using elsewhere = await disposable();
    expect((await refused(['hooks', 'list'], { exit: 5, cwd: elsewhere.path })).code).toBe('unreachable');
  });

  test('whose daemon has ended', async () => {
    await using elsewhere = await disposable();
    await mkdir(join(elsewhere.path, '.osa'));
    const announced = JSON.parse(await readFile(join(directory.path, '.osa/daemon.json'), 'utf8'));
    const ended = { ...announced, pid: 2 ** 22 + 1 };
    await writeFile(join(elsewhere.path, '.osa/daemon.json'), JSON.stringify(ended));
    const found = await refused(['hooks', 'list'], { exit: 5, cwd: elsewhere.path });
    expect(found.stderr).toContain('osad --dev');
  });

  test('that speaks another language', async () => {
    const other = createServer((_, response) => response.end('<html>hello</html>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    try {
      await refused(['hooks', 'list', '--server', `http://127.0.0.1:${port}`], { exit: 1 });
    } finally {
      other.close();
    }
  });

  test.each(['nonsense', 'ftp://x', 'http://user:secret@127.0.0.1:1'])('as %s', async (url) => {
    const found = await refused(['hooks', 'list', '--server', url], { exit: 2 });
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
  const server = () => ({ OSA_SERVER: daemon.url });

  test('that is not there', async () => {
    await using elsewhere = await disposable();
    await cp(place, elsewhere.path, { recursive: true });
    const found = await changingNothing(() =>
      refused(['deploy'], { exit: 4, cwd: elsewhere.path, env: server() }),
    );
    expect([found.code, found.stderr]).toEqual(['credentials', expect.stringContaining('osa keys generate')]);
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
    const found = await changingNothing(() => refused(['deploy'], { exit: 4, env }));
    expect([found.code, found.message]).toEqual(['credentials', expect.stringContaining('OSA_KEY')]);
    const debugged = await osa(place, ['deploy'], { ...env, OSA_DEBUG: '1' });
    for (const output of [found.stderr, JSON.stringify(found), debugged.stderr, debugged.stdout]) {
      for (const secret of [...secrets, 'hunter2']) expect(output).not.toContain(secret);
    }
  });

  test('in a file that others may read', async () => {
    const file = join(place, 'key.pem');
    await writeFile(file, ownKey().OSA_KEY ?? '', { mode: 0o644 });
    await chmod(file, 0o644);
    const found = await refused(['deploy'], { exit: 4, env: { ...server(), OSA_KEY_FILE: file } });
    expect(found.details).toMatchObject({ path: file, mode: '0644' });
  });

  test('in a file that is not there, or is a directory', async () => {
    for (const file of [join(place, 'nothing.pem'), join(place, 'hooks')]) {
      const found = await refused(['deploy'], { exit: 4, env: { ...server(), OSA_KEY_FILE: file } });
      expect(found.message).toContain(file);
    }
  });

  test.skipIf(process.getuid?.() === 0)('in a file that cannot be read', async () => {
    const file = join(place, 'key.pem');
    await writeFile(file, ownKey().OSA_KEY ?? '', { mode: 0o000 });
    const found = await refused(['deploy'], { exit: 4, env: { ...server(), OSA_KEY_FILE: file } });
    expect(found.message).toContain('EACCES');
  });

  test.each<[string, () => Record<string, string>]>([
    ['that the daemon does not know', ownKey],
    ['with another issuer', () => ({ OSA_ISSUER: 'somebody' })],
    ['for another audience', () => ({ OSA_AUDIENCE: 'https://elsewhere.example' })],
  ])('%s: exit code 4', async (_, env) => {
    const found = await changingNothing(() => refused(['deploy'], { exit: 4, env: env() }));
    expect(found.code).toBe('invalid_token');
  });

  test('whose token has expired is refused by the daemon', async () => {
    const body = JSON.stringify({ source_id: 'late', metadata: { value: 1 } });
    const authorization = await http.bearer({ lifetimeSeconds: -300 });
    const headers = { authorization, 'content-type': 'application/x-ndjson' };
    await changingNothing(async () => {
      const { status, problem } = await http.send('POST', '/api/v1/conventions/numbers/ingestions', {
        headers,
        body,
      });
      expect([status, problem?.code]).toEqual([401, 'invalid_token']);
    });
  });

  function pem({ privateKey }: { privateKey: import('node:crypto').KeyObject }): string {
    return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  }
});

describe('a hook', () => {
  const values = [
    ['a', 1],
    ['b', 2],
  ] as const;

  test.each<[string, string, { code: string; said: RegExp }]>([
    [
      'crashes',
      'crashing',
      { code: 'console.error("out of luck"); process.exit(3);', said: /exited with code 3/ },
    ],
    ['throws', 'throwing', { code: 'throw new Error("out of luck");', said: /exited with code 1/ }],
    [
      'is killed',
      'killed',
      { code: 'process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000);', said: /SIGKILL/ },
    ],
    ['is not JavaScript', 'broken', { code: 'this is no code', said: /exited with code 1/ }],
    ['writes nothing', 'silent', { code: '', said: /did not answer/ }],
    [
      'writes garbage',
      'garbage',
      {
        code: 'import { writeFileSync } from "node:fs"; writeFileSync(process.env.OSA_OUT + "/features.jsonl", Buffer.from([0xff, 0x00, 0x0a, 0x7b, 0x0a]));',
        said: /did not answer/,
      },
    ],
    [
      'prints garbage and writes half a line for one record',
      'partial',
      {
        code: `import { writeFileSync } from 'node:fs'; process.stdout.write(Buffer.from([0xff, 0xfe, 0x00])); console.error('\\u001b[2J');
writeFileSync(process.env.OSA_OUT + '/features.jsonl', '{"id": "a", "features": [{"value": 1}]}\\n{"id": "b", "features": [{"val');`,
        said: /features\.jsonl line 2|value/,
      },
    ],
  ])('that %s costs its records their rows, and says why', async (_, name, { code, said }) => {
    const answer = await ran(name, { code });
    const passed = name === 'partial' ? 1 : 0;
    expect(answer).toMatchObject({
      status: 'completed',
      published: passed,
      errored: 2 - passed,
      rows: passed,
    });
    const { items } = await osaJson(place, ['ingestions', 'show', answer.id, '--failed']);
    expect(items).toHaveLength(2 - passed);
    for (const item of items) {
      expect(item).toMatchObject({
        status: 'errored',
        outcomes: [{ hook: name, version: 1, status: 'errored' }],
      });
      expect(item.outcomes[0].reason).toMatch(said);
    }
    const shown = await osa(place, ['ingestions', 'show', answer.id, '--failed']);
    expect(shown.stdout).toMatch(said);
    expect(shown.stdout).not.toMatch(stackTrace);
  });

  test('whose command does not exist ends the ingestion with its reason, and exit code 1', async () => {
    await project('missing_command', doubles);
    await edit('command: [node, hook.mjs]', 'command: [no-such-program, hook.mjs]');
    await osaJson(place, ['deploy']);
    const { exitCode, stdout, stderr } = await osa(place, [...ingestArgs('missing_command'), '--json']);
    expect([exitCode, stderr]).toEqual([1, expect.not.stringMatching(stackTrace)]);
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'failed',
      published: 0,
      rows: 0,
      reasons: [expect.stringContaining('no-such-program')],
    });
  });

  test('that never ends is stopped and tried again later, and does not hold up the others', async () => {
    await project('endless', 'setInterval(() => {}, 1000);');
    await edit(
      /command: \[node, hook.mjs\].*/,
      'command: [node, hook.mjs], source_ref: git:test }\n    limits: { timeout_seconds: 1 }',
    );
    await osaJson(place, ['deploy']);
    const { id } = await osaJson(place, [...ingestArgs('endless'), '--no-wait']);
    const own = place;
    place = await mkdtemp(join(directory.path, 'project-'));
    expect(await ran('going_on', { code: doubles })).toMatchObject({ status: 'completed', published: 2 });
    const shown = await until('the reason', async () => {
      const answer = await osaJson(own, ['ingestions', 'show', id]);
      return answer.reasons.length > 0 && answer;
    });
    expect(shown).toMatchObject({
      status: 'running',
      pending: 2,
      reasons: [expect.stringMatching(/endless.*did not end within 1 s/)],
    });
    expect((await osa(own, ['ingestions', 'show', id])).stdout).toContain('did not end within 1 s');
  });

  const ingestArgs = (name: string) => ['ingest', slugOf(name), 'records.ndjson'];
  const slugOf = (name: string) => `${name.replaceAll('_', '-')}-numbers`;

  async function project(name: string, code: string): Promise<void> {
    await writeProject(place, { code, hook: name, slug: slugOf(name) });
    await writeRecords(join(place, 'records.ndjson'), values);
  }

  async function ran(name: string, { code }: { code: string }) {
    await project(name, code);
    await osaJson(place, ['deploy']);
    return osaJson(place, ingestArgs(name));
  }
});
