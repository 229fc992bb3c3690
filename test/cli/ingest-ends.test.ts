import { generateKeyPairSync } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { lineProgress } from '@osa/cli/commands/ingestions/progress';
import { verdictOf } from '@osa/cli/commands/ingestions/verdict';
import { describe, expect, test } from 'vitest';
import { ingestion, showConvention } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, type FakeAnswer, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

/** How `osa ingest` ends: its exit code, and what it says of an ingestion that is stored. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const { id } = ingestion;
const running = { ...ingestion, status: 'running', pending: 707, finished_at: null } as const;
const line = '{"source_id":"a","metadata":{}}\n';
const goesOn = `osa ingestions show ${id}`;

interface Answers {
  readonly upload?: () => Promise<FakeAnswer | 'cut'>;
  readonly look: () => FakeAnswer | 'cut';
  readonly failures?: FakeAnswer;
}

function archive({ upload = async () => ({ status: 201, body: running }), look, failures }: Answers) {
  return startFakeServer(({ method, path }) => {
    if (path === '/api/v1/conventions/usgs-earthquakes') return { body: showConvention };
    if (path.includes('/failures')) return failures ?? problem(404, 'not_found', 'none');
    if (method === 'POST') return upload();
    return look();
  });
}

async function ingest(
  answers: Answers,
  args: readonly string[] = [],
  signal?: (seen: number) => AbortSignal,
) {
  await using world = await createCliWorld();
  await using server = await archive(answers);
  const environment = { OSA_KEY: key, OSA_SERVER: server.url };
  const argv = ['ingest', 'usgs-earthquakes', '-', ...args];
  const result = await world.osa(argv, { environment, stdin: line, ...(signal && { signal: signal(0) }) });
  return { ...result, requests: server.requests };
}

describe('the exit code of an ingestion that has ended', () => {
  const counts = (invalid: number, rejected: number, errored: number, published: number) => {
    const records = invalid + rejected + errored + published;
    return { ...ingestion, records, invalid, rejected, errored, published };
  };
  test.each([
    ['0 when all pass', counts(0, 0, 0, 10), [], 0],
    ['0 when some fail', counts(3, 3, 3, 1), [], 0],
    ['1 when none passes', counts(10_000, 0, 0, 0), [], 1],
    ['0 when nothing was new', { ...counts(0, 0, 0, 0), records: 5, unchanged: 5 }, [], 0],
    ['0 when what did not fail was not new', { ...counts(5, 0, 0, 0), records: 10, unchanged: 5 }, [], 0],
    ['1 for a kind that must not be', counts(0, 1, 0, 9), ['--fail-on', 'rejected'], 1],
    ['0 for another kind', counts(1, 0, 0, 9), ['--fail-on', 'rejected,errored'], 0],
    ['1 for any kind', counts(0, 0, 1, 9), ['--fail-on', 'any'], 1],
    [
      '1 for the second of two options',
      counts(0, 0, 1, 9),
      ['--fail-on', 'invalid', '--fail-on', 'errored'],
      1,
    ],
    ['0 at the number', counts(1, 1, 0, 98), ['--max-failed', '2'], 0],
    ['1 over the number', counts(1, 1, 1, 97), ['--max-failed', '2'], 1],
    ['0 at the share', counts(100, 0, 0, 9_900), ['--max-failed', '1%'], 0],
    ['0 below the share', counts(50, 0, 0, 9_950), ['--max-failed', '1%'], 0],
    ['1 over the share', counts(101, 0, 0, 9_899), ['--max-failed', '1%'], 1],
    ['1 over a share of a share', counts(1, 0, 0, 999), ['--max-failed', '0.0999%'], 1],
    ['0 at a share of a share', counts(1, 0, 0, 999), ['--max-failed', '0.1%'], 0],
    ['1 when none passes, whatever may fail', counts(10, 0, 0, 0), ['--max-failed', '100%'], 1],
  ])('is %s', async (_, body, args, code) => {
    const result = await ingest({ look: () => ({ body }) }, args);
    expect([result.code, result.stderr.includes('exit code 1: ')]).toEqual([code, code === 1]);
  });

  test.each([
    ['--fail-on', 'failed'],
    ['--max-failed', '101%'],
    ['--max-failed', '1.5'],
    ['--max-failed', '-1'],
    ['--timeout', '0'],
    ['--timeout', '5 minutes'],
  ])('%s %s is refused, and nothing is sent', async (...args) => {
    const { code, stderr, requests } = await ingest({ look: () => ({ body: ingestion }) }, args);
    expect([code, requests.length]).toEqual([2, 0]);
    expect(stderr).toContain(args[0]);
  });

  test.each(['--fail-on=any', '--max-failed=1', '--timeout=1m'])(
    '%s does not go with --no-wait',
    async (option) => {
      const { code, requests } = await ingest({ look: () => ({ body: ingestion }) }, ['--no-wait', option]);
      expect([code, requests.length]).toEqual([2, 0]);
    },
  );
});

test('the summary ends with the most frequent reasons, each with the command to the log of a run', async () => {
  const run = '0198c0de-0000-7000-8000-000000000004';
  const item = { status: 'rejected', hook: 'felt_radius', version: 3, records: 1_028, same: true };
  const place = { reason: 'not an earthquake', source_id: 'ak1', line: 7 };
  const items = [
    { ...item, ...place, run, has_logs: true },
    {
      ...item,
      ...place,
      status: 'invalid',
      hook: null,
      version: null,
      run: null,
      has_logs: false,
      same: false,
    },
  ];
  const failures = { body: { items, looked_at: 2_056, complete: true } };
  const { stdout } = await ingest({ look: () => ({ body: ingestion }), failures });
  expect(stdout).toMatch(
    /most frequent first:\n {2}1,028 rejected by felt_radius v3: not an earthquake\n {4}osa runs logs 0198c0de.*4\n/,
  );
  expect(stdout).toContain(
    `1,028 invalid, such as line 7 (ak1): not an earthquake\n    osa ingestions show ${id} --failed`,
  );
  const { stdout: json } = await ingest({ look: () => ({ body: ingestion }), failures }, ['--json']);
  expect(JSON.parse(json)).toMatchObject({ id, created: true, failures: items });
});

describe('the id of a stored ingestion is told', () => {
  test('when the time to wait is over, with a code of its own', async () => {
    const { code, stdout, stderr } = await ingest({ look: () => ({ body: running }) }, ['--timeout', '1s']);
    expect(code).toBe(7);
    expect(stdout).toContain(`ingestion ${id}: running`);
    expect(stderr).toContain(goesOn);
  });

  test('when no running worker can start it, with a code of its own', async () => {
    const releases = [{ hook: 'density', version: 1, runtime: 'directory' }];
    const stuck = { ...running, unstartable: { workers: 1, releases } };
    const { code, stderr } = await ingest({ look: () => ({ body: stuck }) });
    expect(code).toBe(6);
    expect(stderr).toContain('no running worker has a runner for density v1 (directory)');
    expect(stderr).toContain(goesOn);
  }, 30_000);

  test('when the server goes away while it is waited for', async () => {
    const { code, stdout, stderr } = await ingest({ look: () => 'cut' }, ['--timeout', '2s', '--json']);
    const { error } = JSON.parse(stdout);
    expect([code, error.code, error.details.id]).toEqual([5, 'unreachable', id]);
    expect(error.message).toContain(goesOn);
    expect(stderr.match(/the server is away or busy; waiting for it/g)).toHaveLength(1);
  }, 30_000);

  test('when the server refuses to show it', async () => {
    const look = () => problem(403, 'access_denied', 'you need the scope ingestions:read');
    const { code, stderr } = await ingest({ look });
    expect(code).toBe(4);
    expect(stderr).toContain(goesOn);
  });

  test('when the command is interrupted after the upload was complete and before it is answered', async () => {
    await using world = await createCliWorld();
    const interruption = new AbortController();
    const answered = Promise.withResolvers<FakeAnswer>();
    await using server = await archive({
      look: () => ({ body: running }),
      upload: () => {
        interruption.abort();
        setImmediate(() => answered.resolve({ status: 201, body: running }));
        return answered.promise;
      },
    });
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const argv = ['ingest', 'usgs-earthquakes', '-', '--json'];
    const options = { environment, stdin: line, signal: interruption.signal };
    const { code, stdout, stderr } = await world.osa(argv, options);
    const { error } = JSON.parse(stdout);
    expect([code, error.code, error.details.id]).toEqual([130, 'interrupted', id]);
    expect(stderr).toContain('waiting for its id');
  });
});

test('a complete upload without an answer may be stored, and the message says how to find out', async () => {
  const { code, stderr } = await ingest({ look: () => 'cut', upload: async () => 'cut' });
  expect(code).toBe(5);
  expect(stderr).toContain('osa ingestions list');
});

test('an upload asks for the first of its kind, and says when it has found it; --again does not', async () => {
  const found = { ...ingestion, created: false };
  const answers: Answers = {
    look: () => ({ body: ingestion }),
    upload: async () => ({ status: 201, body: found }),
  };
  const { code, stderr, requests } = await ingest(answers);
  expect(code).toBe(0);
  expect(requests.find(({ method }) => method === 'POST')?.path).toContain('repeat=find');
  expect(stderr).toContain(`as ingestion ${id}; --again stores it anew; osa ingestions retry ${id}`);
  const again = await ingest(answers, ['--again']);
  expect(again.requests.find(({ method }) => method === 'POST')?.path).toContain('repeat=store');
});

test('off a terminal, progress is told when it has changed, and more and more rarely', () => {
  const lines: string[] = [];
  let now = 0;
  const progress = lineProgress({ note: (...said) => lines.push(...said.map(String)) }, () => now);
  const at = (second: number, published: number) => {
    now = second * 1_000;
    progress.running({ ...running, published });
  };
  for (let second = 1; second <= 100; second++) at(second, 0);
  expect(lines).toHaveLength(1);
  for (let second = 101; second <= 1_000; second++) at(second, second);
  expect(lines.length).toBeGreaterThan(10);
  expect(lines.length).toBeLessThan(30);
});

test('an upload tells the bytes that are sent, then that the server checks them', () => {
  const lines: string[] = [];
  let now = 0;
  const progress = lineProgress({ note: (...said) => lines.push(...said.map(String)) }, () => now);
  now = 10_000;
  progress.uploading(512, 2_048);
  now = 20_000;
  progress.uploading(4_096, undefined, 0.5);
  now = 40_000;
  progress.checking(2_048);
  expect(lines).toEqual([
    'uploading: 512 bytes of 2 KiB sent, 25 %',
    'uploading: 4 KiB sent, 50 %',
    '2 KiB sent; checking on the server',
  ]);
});

test('a key that is gone while an ingestion is waited for is still used', async () => {
  await using world = await createCliWorld();
  const path = join(world.cwd, '.osa', 'key.jwk');
  await mkdir(dirname(path));
  await writeFile(path, key, { mode: 0o600 });
  await using server = await archive({
    upload: async () => {
      await rm(path);
      return { status: 201, body: running };
    },
    look: () => ({ body: ingestion }),
  });
  const environment = { OSA_SERVER: server.url };
  const result = await world.osa(['ingest', 'usgs-earthquakes', '-'], { environment, stdin: line });
  expect([result.code, result.stderr]).toEqual([0, expect.not.stringContaining('no key')]);
});

test('nothing is wrong with an ingestion that is stored and not waited for', () => {
  const demands = { failOn: [], maxFailed: undefined };
  expect(verdictOf({ ingestion: { ...running, published: 0, invalid: 3 }, end: 'done' }, demands)).toEqual({
    code: 0,
  });
});
