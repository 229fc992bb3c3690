import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run as runCli } from '@osa/cli/program';
import { bounds } from '@osa/core/limits';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { runReads } from '@osa/core/postgres/runs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { deployHook, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { createCliWorld, Recorder } from '../support/fixtures/cli-world.ts';

/** Runs and what their code said, as operators look at them. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
});
afterAll(() => daemon.close());

const answer = hookCode('return { features: [{ value: metadata.value }] };');

/** Deploys the hook in a convention of its own and takes records in; the run of its one batch. */
async function runOf(hook: string, code: string, records = 2): Promise<string> {
  const slug = `of-${hook.replaceAll('_', '-')}`;
  await deployHook(daemon, code, hook, slug);
  await daemon.call('ingest', { params: { slug }, body: ndjson(records) });
  return until('the run', async () => {
    const { items } = await daemon.call('listRuns', { query: { hook } });
    return items[0]?.id;
  });
}

async function ended(id: string) {
  return until('the end of the run', async () => {
    const run = await daemon.call('showRun', { params: { id } });
    return run.status !== null && run;
  });
}

async function environment(): Promise<NodeJS.ProcessEnv> {
  const OSA_TOKEN = (await daemon.bearer(['runs:read'])).replace('Bearer ', '');
  return { OSA_SERVER: daemon.url, OSA_TOKEN };
}

async function osa(...argv: string[]) {
  await using world = await createCliWorld();
  return world.osa(argv, { environment: await environment() });
}

test('a run is listed and shown with its attempts, its records and its release', async () => {
  const id = await runOf('plain', `console.log('hello'); console.error('there');\n${answer}`);
  const run = await ended(id);
  expect(run).toMatchObject({
    hook_name: 'plain',
    version: 1,
    status: 'passed',
    attempt_count: 1,
    oom_retries: 0,
    rows: 2,
    has_logs: true,
    convention: 'of-plain',
    records: { passed: 2, rejected: 0, errored: 0 },
    attempts: [{ n: 1, ending: 'exited', exit_code: 0, runner: 'process', log_bytes: 12 }],
  });
  expect((await daemon.call('listRuns', { query: { ingestion: run.ingestion ?? '' } })).items).toHaveLength(
    1,
  );
  expect((await daemon.call('listRuns', { query: { hook: 'plain', status: 'failed' } })).items).toEqual([]);
  const shown = await osa('runs', 'show', id);
  expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining('plain v1')]);
  const listed = await osa('runs', 'list', 'plain');
  expect([listed.code, listed.stdout]).toEqual([0, expect.stringContaining(id)]);
  const logs = await osa('runs', 'logs', id);
  expect([logs.code, logs.stdout.split('\n').toSorted().join(' ').trim()]).toEqual([0, 'hello there']);
  expect((await osa('runs', 'logs', id, '--attempt', '2')).code).toBe(1);
  expect((await osa('runs', 'show', randomUUID())).code).toBe(1);
});

test('pages go on where the one before ended', async () => {
  await runOf('paged', answer);
  const all = (await daemon.call('listRuns', { query: { limit: 100 } })).items.map(({ id }) => id);
  expect(all.length).toBeGreaterThan(1);
  const seen: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, next_cursor } = await daemon.call('listRuns', {
      query: { limit: 1, ...(cursor && { cursor }) },
    });
    seen.push(...items.map(({ id }) => id));
    if (next_cursor === null) break;
    cursor = next_cursor;
  }
  expect(seen).toEqual(all);
});

test('logs-04: a failed run keeps its log, and only callers with the scope read it', async () => {
  const id = await runOf('broken', "console.log('before the end'); process.exit(3);");
  expect(await ended(id)).toMatchObject({
    status: 'failed',
    // The two records together, and each of them alone.
    attempts: [1, 2, 3].map((n) => ({ n, ending: 'exited', exit_code: 3 })),
  });
  expect((await osa('runs', 'logs', id)).stdout).toBe('before the end\n');
  const path = `/api/v1/hooks/runs/${id}/logs`;
  const status = async (scopes: string[]) =>
    (await daemon.send('GET', path, { headers: { authorization: await daemon.bearer(scopes) } })).status;
  expect([await status(['runs:read:broken']), await status(['runs:read:bro*'])]).toEqual([200, 200]);
  expect([await status(['runs:read:other']), await status(['hooks:write'])]).toEqual([403, 403]);
  expect((await daemon.send('GET', path)).status).toBe(401);
  const list = (scopes: string[]) =>
    daemon
      .bearer(scopes)
      .then((authorization) => daemon.send('GET', '/api/v1/hooks/runs', { headers: { authorization } }));
  expect((await list(['runs:read:broken'])).status).toBe(403);
});

test('a run whose code says nothing has an empty log; an attempt that is not there has none', async () => {
  const id = await runOf('silent', answer);
  await ended(id);
  const { code, stdout, stderr } = await osa('runs', 'logs', id);
  expect([code, stdout, stderr]).toEqual([0, '', expect.stringContaining('has written nothing')]);
  const missing = await osa('runs', 'logs', id, '--attempt', '7');
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('has no attempt 7')]);
});

test('lines about no record are shown with the run', async () => {
  const write = (lines: string) =>
    `import { appendFileSync } from 'node:fs'; appendFileSync(process.env.OSA_OUT + '/features.jsonl', ${lines});`;
  const garbage = await runOf('garbage', write(`'garbage\\n'`));
  const why = 'the hook did not answer for any record: features.jsonl line 1: at byte 0: unexpected "g"';
  expect(await ended(garbage)).toMatchObject({ status: 'failed', reason: why, records: { errored: 2 } });
  expect((await osa('runs', 'show', garbage)).stdout).toContain(why);
  const stray = await runOf('stray', `${answer}\n${write(`'{"id":"theirs","features":[]}\\n'`)}`);
  expect(await ended(stray)).toMatchObject({
    status: 'passed',
    reason: 'features.jsonl line 3: no record of the batch has the id "theirs"',
    records: { passed: 2 },
  });
});

async function logOf(id: string): Promise<string> {
  return Buffer.from(await daemon.call('runLogs', { params: { id } })).toString();
}

describe('what a hook says', () => {
  test('logs-02: cannot act on a terminal, forge a line or hide', async () => {
    const evil =
      '\\u001b[2J\\u001b]0;owned\\u0007\\u001b]52;c;b3duZWQ=\\u0007\\u001b]8;;http://x\\u001b\\\\y \\u202egnp.exe \\u0000 \\r\\n{level: fatal}';
    const id = await runOf('evil', `process.stdout.write("${evil}\\n\\xff\\xfe no end of line");\n${answer}`);
    await ended(id);
    const { stdout } = await osa('runs', 'logs', id);
    for (const sequence of ['[2J', ']0;owned', ']52;c;', ']8;;http']) {
      expect(stdout).toContain(`\\u001b${sequence}`);
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    const raw = JSON.parse((await osa('runs', 'logs', id, '--json')).stdout);
    expect(raw.log).toContain('\u001b[2J');
    expect(daemon.log.join('\n')).not.toContain('owned');
  });

  test('logs-05: may be bytes that are no text, and can be read', async () => {
    const bytes = '0xff, 0xfe, 0x00, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x61';
    const id = await runOf('binary', `process.stdout.write(Buffer.from([${bytes}]));\n${answer}`);
    expect(await ended(id)).toMatchObject({ status: 'passed', attempts: [{ log_bytes: 9 }] });
    const headers = { authorization: await daemon.bearer(['runs:read']) };
    const { status, text } = await daemon.send('GET', `/api/v1/hooks/runs/${id}/logs`, { headers });
    expect([status, text]).toEqual([200, expect.stringContaining('a')]);
    expect((await osa('runs', 'logs', id)).stdout).toMatch(/a\n?$/);
  });

  test('logs-06: is kept in the database, where it names no file', async () => {
    const id = await runOf('kept', `console.log('hello');\n${answer}`);
    await ended(id);
    const path = '../../../../../../../../etc/passwd';
    const tamper = (sql: Database['sql']) =>
      sql`update attempts set log = ${Buffer.from(path)} where run = ${id}`;
    for (const url of [daemon.database.appUrl, daemon.database.ownerUrl]) {
      await expect(tamper(daemon.database.open(url, { max: 1 }).sql)).rejects.toMatchObject({
        code: '42501',
      });
    }
    // Whoever gets past that has said something else in the hook's name, and no more.
    const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
    await sql`alter table attempts disable trigger user`;
    await tamper(sql);
    await sql`alter table attempts enable trigger user`;
    expect(await logOf(id)).toBe(path);
  });

  test('may be endless: the start and the end are kept', async () => {
    const code = `const part = 'x'.repeat(1_000) + '\\n';
process.stdout.write('the start\\n');
for (let n = 0; n < 20_000; n += 1) if (!process.stdout.write(part)) await new Promise((resolve) => process.stdout.once('drain', resolve));
process.stdout.write('the end\\n');
${answer}`;
    const id = await runOf('chatty', code);
    const run = await ended(id);
    expect(run).toMatchObject({ status: 'passed' });
    expect(run.attempts[0]?.log_bytes).toBe(20_000 * 1_001 + 18);
    const log = await logOf(id);
    expect(log.length).toBeLessThan(1_100_000);
    expect([log.startsWith('the start\n'), log.endsWith('the end\n')]).toEqual([true, true]);
    expect(log).toMatch(/\[osa: \d+ bytes left out\]/);
    // A follower that is too far behind gets the kept end, and the size of the gap.
    const bytes = run.attempts[0]?.log_bytes ?? 0;
    const reads = runReads(daemon.database.open(daemon.database.appUrl, { max: 1 }));
    const tail = await reads.tail(id, { attempt: 1, after: bytes - 700_000 });
    expect(tail).toMatchObject({ bytes, skipped: 700_000 - bounds.logBytes });
    const text = Buffer.from(tail?.log ?? '', 'base64').toString();
    expect([text.length, text.replace(/the end\n$/, '').replace(/[x\n]/g, '')]).toEqual([
      bounds.logBytes,
      '',
    ]);
  });
});

describe('a run that is going', () => {
  test('is followed as it speaks, to its end', async () => {
    const gate = join(daemon.directory, `gate-${randomUUID()}`);
    const code = `import { existsSync } from 'node:fs';
console.log('it begins');
while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 20));
console.log('it ends');
${answer}`;
    const id = await runOf('spoken', code);
    const [stdout, stderr] = [new Recorder(), new Recorder()];
    const following = runCli(['runs', 'logs', '-f', id], {
      streams: { stdin: process.stdin, stdout, stderr },
      sources: { environment: await environment(), cwd: daemon.directory, userDirectory: daemon.directory },
      signal: new AbortController().signal,
      version: '0',
    });
    await until('what it says first', async () => stdout.text === 'it begins\n');
    expect(await logOf(id)).toBe('it begins\n');
    await writeFile(gate, '');
    expect(await following).toBe(0);
    expect(stdout.text).toBe('it begins\nit ends\n');
    const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
    expect(await owner.sql`select * from running_logs`).toEqual([]);
  });

  test('and is lost with its worker leaves what it has said', async () => {
    const pause = { headers: {}, json: {} };
    await deployHook(daemon, answer, 'orphan', 'of-orphan');
    await daemon.call('pauseHook', { params: { name: 'orphan' }, ...pause });
    await daemon.call('ingest', { params: { slug: 'of-orphan' }, body: ndjson(1) });
    await daemon.stop();
    const database = daemon.database.open(daemon.database.appUrl);
    const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
    await owner.sql`update hooks set paused_at = null, pause_reason = null, paused_by = null where name = 'orphan'`;
    const queue = postgresQueue(database, { domain: 'localhost' });
    const worker = { name: 'dies', leaseMs: 500, runtimes: ['directory'], fullHooks: [] } as const;
    const claim = await queue.claim(worker);
    const run = claim?.runs[0]?.id ?? '';
    if (!claim) throw new Error('nothing was claimed');
    const { n } = await queue.startAttempt(claim, { run, memoryBytes: 1, runner: 'process' });
    await queue.keepLog({ run, n }, { tail: Buffer.from('half of it'), bytes: 10 });
    await queue.keepLog({ run, n }, { tail: Buffer.from('nearly all of it'), bytes: 16 });
    await until('the next claim', () => queue.claim({ ...worker, leaseMs: 60_000 }));
    await queue.keepLog({ run, n }, { tail: Buffer.from('too late'), bytes: 24 });
    const [attempt] = await owner.sql`
      select ending, convert_from(log, 'UTF8') as log, log_bytes::integer from attempts where run = ${run}`;
    expect(attempt).toEqual({ ending: 'abandoned', log: 'nearly all of it', log_bytes: 16 });
    expect(await owner.sql`select * from running_logs`).toEqual([]);
  });
});
