import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { State } from '../invariants/state.ts';
import type { Daemons } from './daemons.ts';

export interface Leftover {
  /** I10: code that still runs, or could be started again. I14: what it has left, and locks. */
  readonly invariant: 'I10' | 'I14';
  readonly what: string;
}

/** Finds leftovers: things that should be gone when nothing runs any more. */
export async function findLeftovers(state: State, daemons: Daemons, directory: string): Promise<Leftover[]> {
  const places = [...daemons.members.map(({ place }) => join(place, 'work')), join(directory, 'data/spool')];
  const entries = await Promise.all(
    places.map(async (place) => {
      const names = await readdir(place).catch(() => []);
      return names.map((name) => `${join(place, name)} is left`);
    }),
  );
  const containers = await Promise.all(daemons.members.map(async ({ engine }) => engine?.left() ?? []));
  const left = containers.flat().map((name) => `container ${name} is left`);
  const mounts = await mountsOf(daemons.members.map(({ place }) => join(place, 'work')));
  const alive = [...left, ...(await processesOf(directory))];
  return [
    ...alive.map((what) => ({ invariant: 'I10', what }) as const),
    ...[...entries.flat(), ...mounts, ...state.leftovers].map(
      (what) => ({ invariant: 'I14', what }) as const,
    ),
  ];
}

/** File systems below the work directories, of which each attempt in a container has one. */
async function mountsOf(places: readonly string[]): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const mounted = table.split('\n').map((line) => line.split(' ')[4] ?? '');
  const below = mounted.filter((path) => places.some((place) => path.startsWith(`${place}/`)));
  return below.map((path) => `${path} is still mounted`);
}

/** An error that a daemon cannot explain, or one by which a guard of the database has told it that it is wrong. */
const internal = /code=internal|status=500|uncaughtException|unhandledRejection|^\s*PostgresError:/;

/** Finds lines that a daemon must never log. */
export async function findInternalErrors(daemons: Daemons): Promise<string[]> {
  const found = await Promise.all(
    daemons.members.map(async ({ index, place }) => {
      const lines = (await readFile(join(place, 'log'), 'utf8').catch(() => '')).split('\n');
      return lines.flatMap((line, at) => {
        if (!internal.test(line)) return [];
        return [
          `daemon ${index}: ${[line, ...lines.slice(at + 1, at + 3)].map((part) => part.trim()).join(' / ')}`,
        ];
      });
    }),
  );
  return found.flat();
}

/** Hooks are known by their TMPDIR, which stands in the work directory of their daemon. */
async function processesOf(directory: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return environment.includes(`TMPDIR=${directory}/`) ? [`process ${pid} of a hook is alive`] : [];
    }),
  );
  return found.flat();
}
