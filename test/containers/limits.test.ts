import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ended } from '@osa/core/run/runner';
import { expect, test, vi } from 'vitest';
import {
  type ContainerBench,
  describeContainers,
  logOf,
  suiteBench,
} from '../support/containers/container-support.ts';
import { threadBomb, untilRefused } from '../support/containers/elf.ts';
import { buildImage } from '../support/containers/images.ts';
import { scratch, until } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

const mib = 2 ** 20;
/** The engine's limits for a container: processes and threads together, and files of one process. */
const [mostProcesses, mostFiles] = [256, 1_024];
/** EMFILE, ENOSPC, EAGAIN */
const [tooManyFiles, noSpace, tryAgain] = [24, 28, 11];

describeContainers('what hostile code takes of the machine', () => {
  let bench: ContainerBench;
  suiteBench((made) => {
    bench = made;
  });

  /** Runs an image whose processes are known by their environment, none of which may survive. */
  async function gone(image: Omit<Parameters<typeof buildImage>[0], 'lines'>, timeoutSeconds = 60) {
    const mark = `MARK=${randomUUID()}`;
    const built = await buildImage({ ...image, lines: [`ENV ${mark}`] });
    const ending = await bench.run(built, { timeoutSeconds });
    expect(await bench.running()).toEqual([]);
    expect(await processesWith(mark)).toBe(0);
    return ending;
  }

  test('sandbox-09: is no end of forks', async () => {
    const ending = await gone({ script: 'bomb() { bomb | bomb & }; bomb; sleep 1; bomb; exit 3' }, 3);
    expect(['exited', 'timeout', 'out_of_memory']).toContain(ending.ending);
  });

  test('sandbox-09: is as many processes as a container has, and no more', async () => {
    // The shell ends when it is refused a fork.
    const counted = await gone({
      script: 'n=1; while :; do sleep 60 & n=$((n + 1)); echo $n > $OSA_OUT/forks; done',
    });
    expect(logOf(counted)).toContain("can't fork");
    expect(Number(await readFile(join(counted.outputDirectory, 'forks'), 'utf8'))).toBe(mostProcesses);
  });

  test.runIf(process.arch === 'x64')('sandbox-10: is no end of threads', async () => {
    const script = '/bomb; exit $?';
    const ending = await gone({ script, files: { '/bomb': threadBomb() }, modes: { '/bomb': '755' } });
    expect(ending).toMatchObject({ ending: 'exited', exitCode: tryAgain });
  });

  test('sandbox-14: is no swap beside its memory', async () => {
    // With and without a unified hierarchy of control groups; the machine may have no swap to prove it with.
    const limits = await bench.printed(
      'cd /sys/fs/cgroup; cat memory.swap.max memory/memory.memsw.limit_in_bytes 2> /dev/null; true',
    );
    expect(['0', String(64 * mib)]).toContain(limits.trim());
    const ending = await bench.runScript('dd if=/dev/zero of=/dev/null bs=128M count=1', { memoryMiB: 64 });
    expect(ending).toMatchObject({ ending: 'out_of_memory' });
  });

  test('sandbox-15: is /tmp to its bound, which counts as memory, and no other', async () => {
    const fill =
      'for file in /dev/shm/x /tmp/x; do dd if=/dev/zero of=$file bs=1M count=200; done; ls -l /tmp/x';
    const log = await bench.printed(fill, { memoryMiB: 512 });
    expect(log).toMatch(/\/dev\/shm\/x.*No such file/);
    expect(log).toContain('No space left on device');
    expect(log).toContain(` ${100 * mib} `);
    expect(await bench.runScript(`${fill}; exit 1`, { memoryMiB: 32 })).toMatchObject({
      ending: 'out_of_memory',
    });
  });

  test('sandbox-16: is the processor until its time is over', async () => {
    const ending = await bench.runScript(
      `touch $OSA_OUT/began; for n in 1 2 3 4; do (while :; do : > $OSA_OUT/alive; done) & done; wait`,
      { timeoutSeconds: 1 },
    );
    expect(ending.ending).toBe('timeout');
    expect(await livedMs(ending)).toBeLessThan(1_000 + 5_000);
    expect(await bench.running()).toEqual([]);
  });

  test('sandbox-17: is no time by refusing to end', async () => {
    const started = Date.now();
    const ending = await bench.runScript(
      `trap 'echo asked' TERM; touch $OSA_OUT/began; while :; do : > $OSA_OUT/alive; sleep 0.1; done`,
      { timeoutSeconds: 1 },
    );
    expect(Date.now() - started).toBeLessThan(15_000);
    expect(ending).toMatchObject({ ending: 'timeout', exitCode: 137 });
    expect(logOf(ending)).toContain('asked');
    // Its time, and the two seconds between SIGTERM and SIGKILL.
    expect(await livedMs(ending)).toBeLessThan(1_000 + 2_000 + 5_000);
    await ending.dispose();
    expect(await bench.containers()).toEqual([]);
  });

  test.runIf(process.arch === 'x64')('sandbox-25: is no end of files, watches and terminals', async () => {
    const fillers = {
      '/files': untilRefused(2, '/dev/null'), // open
      '/terminals': untilRefused(2, '/dev/ptmx', 2),
      // inotify_init1: each is a file, too, and each watch belongs to one.
      '/watches': untilRefused(294, 0),
    };
    const image = await buildImage({
      script: 'cd $OSA_OUT; for what in files terminals watches; do /$what > $what & done; wait',
      files: fillers,
      modes: Object.fromEntries(Object.keys(fillers).map((path) => [path, '755'])),
    });
    const running = bench.start(image, { id: 'filler' });
    for (const path of Object.keys(fillers)) {
      const told = await until(`the last of ${path}`, async () => {
        const bytes = await readFile(join(bench.workspace, 'filler/out', path)).catch(() => Buffer.alloc(0));
        return bytes.length === 16 && bytes;
      });
      expect(Number(told.readBigUInt64LE(0)), path).toBeLessThan(mostFiles);
      expect([tooManyFiles, noSpace], path).toContain(Number(told.readBigUInt64LE(8)));
    }
    await hostHasAll();
    expect(await running.end()).toMatchObject({ ending: 'cancelled' });
  });

  test('sandbox-25: is few files, and no memory that it leaves in a crash', async () => {
    expect(await bench.printed('ulimit -n; ulimit -c')).toBe(`${mostFiles}\n0\n`);
  });
});

/** From the first sign of life that code has left in its output to the last. */
async function livedMs({ outputDirectory }: Ended): Promise<number> {
  const at = async (name: string) => (await stat(join(outputDirectory, name))).mtimeMs;
  return (await at('alive')) - (await at('began'));
}

/** The host opens files and terminals, and watches for changes. */
async function hostHasAll(): Promise<void> {
  for (const path of ['/dev/null', '/dev/ptmx']) await (await open(path, 'r+')).close();
  const place = await scratch();
  const watcher = watch(place.path);
  const changed = once(watcher, 'change');
  await writeFile(join(place.path, 'file'), '');
  await changed;
  watcher.close();
  await place.dispose();
}

/** Living processes, on the whole machine, that have an entry in their environment. */
async function processesWith(entry: string): Promise<number> {
  let count = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(entry)) count += 1;
  }
  return count;
}
