import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { bounds } from '@osa/core/limits';
import type { Task } from '@osa/core/run/runner';
import { processRunner } from '@osa/core/runners/process/process';
import { boundedLog } from '@osa/core/runners/shared/bounded-log';
import { sweep } from '@osa/core/runners/shared/sweep';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

vi.setConfig({ testTimeout: 30_000 });

const onLinux = process.platform === 'linux';
const environment = { PATH: process.env.PATH, SECRET_OF_THE_DAEMON: 'hunter2' };

let place: string;
let workspace: string;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'osa-runner-'));
  workspace = join(place, 'workspace');
});
afterEach(() => rm(place, { recursive: true }));

describe('a run', () => {
  test('gives the code its records, config and places, and hands back its output', async () => {
    const ending = await run(
      `const { OSA_IN, OSA_OUT, OSA_FILES, HOME } = process.env;
      const records = fs.readFileSync(OSA_IN + '/records.jsonl', 'utf8');
      const config = fs.readFileSync(OSA_IN + '/config.json', 'utf8');
      fs.writeFileSync(OSA_OUT + '/seen.json', JSON.stringify({ records, config, cwd: process.cwd(), OSA_FILES, HOME }));
      console.log('to stdout'); console.error('to stderr');`,
      {
        records: [
          { id: 'a', metadata: '{"n":1.10,"big":12345678901234567890}' },
          { id: 'é\n"', metadata: '{}' },
        ],
        config: { b: 1, a: 'x' },
      },
    );
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 0, exitSignal: null });
    const seen = JSON.parse(await readFile(join(ending.outputDirectory, 'seen.json'), 'utf8'));
    expect(seen).toMatchObject({
      records:
        '{"id":"a","metadata":{"n":1.10,"big":12345678901234567890},"size_hint_mb":0}\n' +
        '{"id":"é\\n\\"","metadata":{},"size_hint_mb":0}\n',
      config: '{"a":"x","b":1}',
    });
    const root = join(workspace, 'task-1');
    expect(seen.cwd.endsWith(join(root, 'code'))).toBe(true);
    expect(seen.OSA_FILES.endsWith(join(root, 'files'))).toBe(true);
    expect(seen.HOME.endsWith(join(root, 'tmp'))).toBe(true);
    expect(text(ending.log).split('\n').sort()).toEqual(['', 'to stderr', 'to stdout']);
    await ending.dispose();
    expect(await readdir(workspace)).toEqual([]);
  });

  test('shows the code nothing of the environment but what is allowed', async () => {
    const ending = await run(`fs.writeFileSync(process.env.OSA_OUT + '/env', JSON.stringify(process.env));`);
    const seen = JSON.parse(await readFile(join(ending.outputDirectory, 'env'), 'utf8'));
    expect(Object.keys(seen).sort()).toEqual(
      ['HOME', 'LANG', 'OSA_FILES', 'OSA_HOOK_NAME', 'OSA_IN', 'OSA_OUT', 'PATH', 'TMPDIR'].sort(),
    );
    expect(seen).toMatchObject({ LANG: 'C.UTF-8', OSA_HOOK_NAME: 'a_hook', PATH: environment.PATH });
  });

  test('writes an empty config as {}', async () => {
    const ending = await run(
      `process.exit(fs.readFileSync(process.env.OSA_IN + '/config.json', 'utf8') === '{}' ? 0 : 1);`,
    );
    expect(ending.exitCode).toBe(0);
  });

  test('writes one record a line, also for readers that end a line at U+0085, U+2028 and U+2029', async () => {
    const odd = 'a\u0085b\u2028c\u2029d';
    const ending = await run(
      `const text = fs.readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8');
      const lines = text.trimEnd().split(/[\\n\\u0085\\u2028\\u2029]/).map((line) => JSON.parse(line));
      fs.writeFileSync(process.env.OSA_OUT + '/seen', JSON.stringify(lines));`,
      { records: ['1', '2'].map((n) => ({ id: odd + n, metadata: JSON.stringify({ [odd]: odd }) })) },
    );
    expect(JSON.parse(await readFile(join(ending.outputDirectory, 'seen'), 'utf8'))).toEqual(
      ['1', '2'].map((n) => ({ id: odd + n, metadata: { [odd]: odd }, size_hint_mb: 0 })),
    );
  });

  test('reports an exit code and a signal', async () => {
    expect(await run('process.exit(7);')).toMatchObject({ ending: 'exited', exitCode: 7, exitSignal: null });
    expect(await run(`process.kill(process.pid, 'SIGSEGV');`, { id: 'task-2' })).toMatchObject({
      ending: 'exited',
      exitCode: null,
      exitSignal: 'SIGSEGV',
    });
  });

  test('unpacks the code afresh for each attempt', async () => {
    const digest = await store(
      `console.log('original'); fs.writeFileSync('hook.mjs', 'console.log("rewritten")'); fs.writeFileSync('more', '');`,
    );
    for (const id of ['first', 'second']) {
      const ending = await start({ digest, id });
      expect(text(ending.log)).toBe('original\n');
      expect(ending.resolvedDigest).toBe(digest);
    }
  });

  test('takes no id for a path', async () => {
    const ids = ['../../x', '/etc', '..\\x', 'a/../../b', '.', '..', 'a:b', 'a_b', '\u0000', ''];
    const ending = await run(
      `const lines = fs.readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').trim().split('\\n');
      fs.writeFileSync(process.env.OSA_OUT + '/ids', JSON.stringify(lines.map((line) => JSON.parse(line).id)));`,
      { records: ids.map((id) => ({ id, metadata: '{}' })), hook: '../../hook' },
    );
    expect(JSON.parse(await readFile(join(ending.outputDirectory, 'ids'), 'utf8'))).toEqual(ids);
    expect(await readdir(workspace)).toEqual(['task-1']);
    expect((await readdir(join(workspace, 'task-1'))).sort()).toEqual(
      ['code', 'files', 'in', 'leader.json', 'out', 'tmp'].sort(),
    );
    expect(await readdir(join(workspace, 'task-1', 'files'))).toEqual([]);
  });

  test.each(['../../x', '', '.', 'a/b', 'x\n', 'y'.repeat(200)])('refuses the task id %j', async (id) => {
    await expect(run('', { id })).rejects.toMatchObject({ code: 'invalid', field: 'id' });
    expect(existsSync(workspace) ? await readdir(workspace) : []).toEqual([]);
  });

  test('removes what the code locked or nested without end', async () => {
    const ending = await run(
      `process.chdir(process.env.TMPDIR);
      for (let depth = 0; depth < 300; depth += 1) { fs.mkdirSync('d'.repeat(60)); process.chdir('d'.repeat(60)); }
      fs.mkdirSync(process.env.OSA_OUT + '/locked/inner', { recursive: true });
      fs.writeFileSync(process.env.OSA_OUT + '/locked/file', '');
      fs.chmodSync(process.env.OSA_OUT + '/locked/inner', 0);
      fs.chmodSync(process.env.OSA_OUT + '/locked', 0);`,
    );
    // A directory that nobody but root can look into could hold anything.
    const expected = process.getuid?.() === 0 ? 'exited' : 'output_too_large';
    expect(ending).toMatchObject({ ending: expected, exitCode: 0 });
    await ending.dispose();
    expect(await readdir(workspace)).toEqual([]);
  });
});

describe('code that cannot start', () => {
  afterEach(async () => {
    expect(await readdir(workspace)).toEqual([]);
  });

  test('is refused when its digest is not the release’s', async () => {
    const digest = await store('');
    const other = await store('console.log(2)');
    const blobs = join(place, 'blobs');
    await rm(blobPath(digest));
    await symlink(blobPath(other), blobPath(digest));
    expect(existsSync(blobs)).toBe(true);
    await expect(start({ digest })).rejects.toMatchObject({
      code: 'unavailable',
      details: { found: other.replace('sha256:', '') },
    });
  });

  test('is refused when it is not stored', async () => {
    await expect(start({ digest: `sha256:${'0'.repeat(64)}` })).rejects.toMatchObject({ code: 'not_found' });
  });

  test.each([
    ['is not found', ['no-such-command', 'x']],
    ['is not executable', ['./hook.mjs']],
    ['holds a NUL', ['node', 'a\0b']],
    ['is empty', ['']],
  ])('is refused when its command %s', async (_what, command) => {
    const refusal = { code: 'invalid', field: 'release.command' };
    await expect(run('', { command })).rejects.toMatchObject(refusal);
    await expect(run('', { command })).rejects.toThrow(JSON.stringify(command[0]));
  });

  test('may start later when the disk is full', async () => {
    const blobs = {
      ...filesystemBlobs(join(place, 'blobs')),
      open: () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })),
    };
    const digest = await store('');
    const task = taskOf({ digest });
    await expect(
      processRunner({ blobs, environment }).run(task, new AbortController().signal),
    ).rejects.toMatchObject({ code: 'unavailable', details: { code: 'ENOSPC' } });
  });

  test('is refused without a command or with another runtime', async () => {
    await mkdir(workspace);
    await expect(run('', { command: [] })).rejects.toMatchObject({ field: 'release.command' });
    await expect(run('', { command: null })).rejects.toMatchObject({ field: 'release.command' });
    await expect(run('', { runtime: 'image' })).rejects.toMatchObject({ field: 'release.runtime' });
  });
});

describe('code that does not end', () => {
  /** A process that ignores SIGTERM and writes its pid to `out/<name>`. */
  const stubborn = (name: string) =>
    `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); require('node:fs').writeFileSync(process.env.OSA_OUT + '/${name}', String(process.pid));`;
  const spawning = (options: string, name: string) =>
    `const { spawn } = await import('node:child_process');
    spawn(process.execPath, ['-e', ${JSON.stringify(stubborn(name))}], ${options});
    while (!fs.existsSync(process.env.OSA_OUT + '/${name}')) await new Promise((r) => setTimeout(r, 10));`;

  test('is killed after its time, with its group, even when it ignores SIGTERM', async () => {
    const ending = await run(
      `process.on('SIGTERM', () => console.log('asked')); setInterval(() => {}, 1000);
      ${spawning(`{ stdio: 'inherit' }`, 'child')}`,
      { timeout: 1 },
    );
    expect(ending).toMatchObject({ ending: 'timeout', exitCode: null, exitSignal: 'SIGKILL' });
    expect(text(ending.log)).toContain('asked');
    expect(await aliveIn(ending.outputDirectory, 'child')).toBe(false);
  });

  test('may end in peace after SIGTERM, and is a timeout all the same', async () => {
    const ending = await run(`process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000);`, {
      timeout: 1,
    });
    expect(ending).toMatchObject({ ending: 'timeout', exitCode: 0 });
  });

  test('leaves nothing alive that holds its stdout', async () => {
    const ending = await run(`${spawning(`{ stdio: 'inherit' }`, 'child')} process.exit(0);`);
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 0 });
    expect(await aliveIn(ending.outputDirectory, 'child')).toBe(false);
  });

  test.runIf(onLinux)('leaves nothing alive that left its group', async () => {
    const ending = await run(`${spawning(`{ stdio: 'inherit', detached: true }`, 'child')} process.exit(0);`);
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 0 });
    expect(await aliveIn(ending.outputDirectory, 'child')).toBe(false);
  });

  test('is killed at once when it is cancelled', async () => {
    const cancel = new AbortController();
    const running = run(`${stubbornHook()} setInterval(() => {}, 1000);`, { signal: cancel.signal });
    const output = join(workspace, 'task-1', 'out');
    await expect.poll(() => existsSync(join(output, 'ready')), { timeout: 10_000 }).toBe(true);
    cancel.abort();
    const ending = await running;
    expect(ending).toMatchObject({ ending: 'cancelled', exitCode: null, exitSignal: 'SIGKILL' });
    expect(await aliveIn(output, 'ready')).toBe(false);
  });

  test('is not started when it was cancelled before', async () => {
    const reason = new Error('stop');
    const signal = AbortSignal.abort(reason);
    await expect(run('setInterval(() => {}, 1000);', { signal })).rejects.toBe(reason);
  });
});

describe('code that floods', () => {
  test('is killed when its output outgrows the bound', async () => {
    const ending = await run(
      `fs.mkdirSync(process.env.OSA_OUT + '/deep'); fs.writeFileSync(process.env.OSA_OUT + '/deep/big', '');
      fs.truncateSync(process.env.OSA_OUT + '/deep/big', ${bounds.outputBytes + 1}); setInterval(() => {}, 1000);`,
    );
    expect(ending).toMatchObject({ ending: 'output_too_large', exitSignal: 'SIGKILL' });
  });

  test('is found out when it ends before it was looked at', async () => {
    const ending = await run(
      `fs.writeFileSync(process.env.OSA_OUT + '/big', ''); fs.truncateSync(process.env.OSA_OUT + '/big', ${bounds.outputBytes + 1});`,
    );
    // It may have ended by itself, or been looked at in time and killed.
    expect(ending).toMatchObject({ ending: 'output_too_large' });
  });

  test('is killed when it writes files without end', async () => {
    const ending = await run(
      `process.chdir(process.env.OSA_OUT); for (let n = 0; ; n += 1) fs.writeFileSync(String(n), '');`,
    );
    expect(ending).toMatchObject({ ending: 'output_too_large', exitSignal: 'SIGKILL' });
    await ending.dispose();
  });

  test('has the start and the end of its log kept, and no more', async () => {
    const ending = await run(
      `const line = Buffer.alloc(1024 * 1024, 'x'); fs.writeSync(1, 'the start');
      for (let n = 0; n < 32; n += 1) for (let at = 0; at < line.length; ) at += fs.writeSync(1, line, at);
      fs.writeSync(1, 'the end');`,
    );
    expect(ending).toMatchObject({ ending: 'exited', exitCode: 0 });
    const log = text(ending.log);
    expect(log.startsWith('the startxxx')).toBe(true);
    expect(log.endsWith('xxxthe end')).toBe(true);
    const leftOut = 32 * 1024 * 1024 + 'the start'.length + 'the end'.length - 2 * bounds.logBytes;
    expect(log).toContain(`\n[osa: ${leftOut} bytes left out]\n`);
    expect(log.length).toBeLessThan(2 * bounds.logBytes + 100);
  });

  test('keeps the start and the end of any log', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 })),
        fc.integer({ min: 1, max: 20 }),
        (chunks, keep) => {
          const log = boundedLog(keep);
          for (const chunk of chunks) log.append(chunk);
          const whole = Buffer.concat(chunks);
          const marker = Buffer.from(`\n[osa: ${whole.length - 2 * keep} bytes left out]\n`);
          const expected =
            whole.length <= 2 * keep
              ? whole
              : Buffer.concat([whole.subarray(0, keep), marker, whole.subarray(-keep)]);
          expect(Buffer.from(log.bytes())).toEqual(expected);
        },
      ),
    );
  });
});

describe('sweep', () => {
  test('ends and removes what a killed daemon left', async () => {
    const digest = await store(
      `const { spawn } = await import('node:child_process');
      spawn(process.execPath, ['-e', ${JSON.stringify(`setInterval(() => {}, 1000); require('node:fs').writeFileSync('member', String(process.pid))`)}], { stdio: 'ignore', env: {} });
      spawn(process.execPath, ['-e', ${JSON.stringify(`setInterval(() => {}, 1000); require('node:fs').writeFileSync('stray', String(process.pid))`)}], { stdio: 'ignore', env: {}, detached: ${onLinux} });
      fs.writeFileSync('leader', String(process.pid)); setInterval(() => {}, 1000);`,
    );
    const fixture = join(import.meta.dirname, '../support/fixtures', 'run-one-task.ts');
    const daemon = spawn(process.execPath, [fixture, join(place, 'blobs'), workspace, digest, 'hook.mjs']);
    const code = join(workspace, 'left-behind', 'code');
    const names = ['leader', 'member', 'stray'];
    await expect
      .poll(
        () =>
          names.every((name) => existsSync(join(code, name)) && readFileSync(join(code, name)).length > 0),
        {
          timeout: 15_000,
        },
      )
      .toBe(true);
    const pids = names.map((name) => Number(readFileSync(join(code, name), 'utf8')));
    const daemonEnded = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGKILL');
    await daemonEnded;
    expect(pids.map(isAlive)).toEqual([true, true, true]);

    expect(await sweep([runner()], workspace)).toBe(1);
    expect(pids.map(isAlive)).toEqual([false, false, false]);
    expect(await readdir(workspace)).toEqual([]);
    expect(await sweep([runner()], workspace)).toBe(0);
  });

  test.runIf(onLinux)('ends code whose pid was not written down yet', async () => {
    const attempt = join(workspace, 'interrupted');
    await mkdir(join(attempt, 'tmp'), { recursive: true });
    const orphan = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      env: { TMPDIR: join(attempt, 'tmp') },
      detached: true,
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => orphan.once('exit', (_code, signal) => resolve(signal)));
    expect(await sweep([runner()], workspace)).toBe(1);
    expect(await ended).toBe('SIGKILL');
  });

  test('spares another process that has the pid since, and a file that is not ours', async () => {
    for (const [id, content] of Object.entries({
      reused: `{"pid":${process.pid},"start":"1"}`,
      garbage: 'x'.repeat(10_000),
      init: '{"pid":1,"start":"1"}',
    })) {
      await mkdir(join(workspace, id), { recursive: true });
      await writeFile(join(workspace, id, 'leader.json'), content);
    }
    await mkdir(join(workspace, 'linked'));
    await symlink('/dev/zero', join(workspace, 'linked', 'leader.json'));
    expect(await sweep([runner()], workspace)).toBe(4);
    expect(await readdir(workspace)).toEqual([]);
  });

  test('finds nothing where there is nothing', async () => {
    expect(await sweep([runner()], join(place, 'missing'))).toBe(0);
  });
});

interface Options {
  readonly id?: string;
  readonly hook?: string;
  readonly runtime?: 'directory' | 'image';
  readonly command?: readonly string[] | null;
  readonly config?: Task['release']['config'];
  readonly records?: Task['records'];
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

function runner() {
  return processRunner({ blobs: filesystemBlobs(join(place, 'blobs')), environment });
}

async function run(code: string, options: Options = {}) {
  return start({ ...options, digest: await store(code) });
}

function start(options: Options & { digest: string }) {
  return runner().run(taskOf(options), options.signal ?? new AbortController().signal);
}

function taskOf(options: Options & { digest: string }): Task {
  return {
    id: options.id ?? 'task-1',
    workspace,
    hook: options.hook ?? 'a_hook',
    release: {
      runtime: options.runtime ?? 'directory',
      image: null,
      digest: options.digest,
      command: options.command === undefined ? [process.execPath, 'hook.mjs'] : options.command,
      config: options.config ?? {},
      limits: { memory_bytes: 2 ** 28, cpu_millicores: 500, timeout_seconds: options.timeout ?? 60 },
    },
    memoryBytes: 2 ** 28,
    records: options.records ?? [],
  };
}

/** Stores a directory whose `hook.mjs` is `code` with `fs` at hand; answers its digest. */
async function store(code: string): Promise<string> {
  const directory = await mkdtemp(join(place, 'hook-'));
  await writeFile(join(directory, 'hook.mjs'), `import fs from 'node:fs';\n${code}\n`);
  const packed = await packDirectory(directory);
  await filesystemBlobs(join(place, 'blobs')).put(packed.digest.slice('sha256:'.length), packed.open(), {
    maxBytes: bounds.blobBytes,
  });
  return packed.digest;
}

function blobPath(digest: string): string {
  const hex = digest.slice('sha256:'.length);
  return join(place, 'blobs', hex.slice(0, 2), hex.slice(2));
}

function stubbornHook(): string {
  return `process.on('SIGTERM', () => {}); fs.writeFileSync(process.env.OSA_OUT + '/ready', String(process.pid));`;
}

async function aliveIn(directory: string, name: string): Promise<boolean> {
  return isAlive(Number(await readFile(join(directory, name), 'utf8')));
}

/** A zombie is dead: in a container nobody may collect it. */
function isAlive(pid: number): boolean {
  if (onLinux) {
    const stat = `/proc/${pid}/stat`;
    return existsSync(stat) && !/\) [ZX] /.test(readFileSync(stat, 'utf8'));
  }
  try {
    return process.kill(pid, 0);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ESRCH' });
    return false;
  }
}

function text(log: Uint8Array): string {
  return Buffer.from(log).toString();
}
