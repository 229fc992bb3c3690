import { chmod, mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@osa/core/hook/release';
import { execa } from 'execa';
import { podmanPath } from '../../support/containers/images.ts';

/**
 * The engine as one daemon sees it: it can be gone for a while, it has no image that this daemon has not pulled, and it
 * writes down which containers it makes, and which it must end because they took too long.
 */
export interface EngineOfDaemon {
  /** Stands first on the daemon's PATH. */
  readonly path: string;
  down(): Promise<void>;
  up(): Promise<void>;
  /** Ends the code of all containers of the daemon; the answer names their runs. */
  killAll(): Promise<string[]>;
  /** Containers that are left, running or not. */
  left(): Promise<string[]>;
  /** Everything that it was told to make. */
  made(): Promise<Made[]>;
  /** Attempts that it was told to end by SIGTERM, which the daemon sends on timeout only. */
  timedOut(): Promise<Attempt[]>;
}

export interface Attempt {
  readonly run: string;
  readonly fence: string;
  readonly n: number;
}

export interface Made extends Attempt {
  readonly memoryBytes: number;
}

/** `place` is the daemon's own directory, in which its workspace is. */
export async function engineOf(place: string): Promise<EngineOfDaemon> {
  const path = join(place, 'engine');
  await mkdir(join(path, 'pulled'), { recursive: true });
  const [gone, made, late] = ['gone', 'made', 'late'].map((name) => join(path, name)) as [
    string,
    string,
    string,
  ];
  const podman = await podmanPath();
  // The daemon puts the options of the engine itself before the command.
  const script = `#!/bin/sh
[ -e '${gone}' ] && { echo 'Error: the engine is gone' >&2; exit 125; }
options=
while :; do
  case $1 in
    --runtime | --cgroup-manager) options="$options $1 $2"; shift 2 ;;
    *) break ;;
  esac
done
digest() { case $1 in *sha256:*) echo "\${1##*sha256:}" ;; *) echo "$1" | tr / _ ;; esac; }
case $1 in
  run) case "$*" in *--cidfile*) echo "$*" >> '${made}' ;; esac ;;
  kill) [ "$3" = TERM ] && '${podman}' container inspect --format '{{.Name}}' "$4" >> '${late}' ;;
  image)
    [ -e '${path}/pulled/'"$(digest "$3")" ] || { echo 'Error: no such image' >&2; exit 125; } ;;
  pull)
    '${podman}' $options "$@" || exit
    : > '${path}/pulled/'"$(digest "$3")"
    exit ;;
esac
exec '${podman}' $options "$@"
`;
  await writeFile(join(path, 'podman'), script);
  await chmod(join(path, 'podman'), 0o755);
  const list = async (...args: string[]) => {
    const workspace = await realpath(join(place, 'work')).catch(() => undefined);
    if (workspace === undefined) return [];
    const label = `label=osa.workspace=${sha256(workspace).slice(0, 32)}`;
    const { stdout } = await execa(podman, ['ps', '--filter', label, '--format', '{{.Names}}', ...args]);
    return stdout.split('\n').filter(Boolean);
  };
  return {
    path,
    down: () => writeFile(gone, ''),
    up: () => rm(gone, { force: true }),
    async killAll() {
      const names = await list();
      // One may have ended by itself meanwhile.
      if (names.length > 0) await execa(podman, ['kill', '--signal', 'KILL', ...names], { reject: false });
      return names.map((name) => attemptOf(name).run);
    },
    left: () => list('--all'),
    made: async () => (await linesOf(made)).map(madeOf),
    timedOut: async () => (await linesOf(late)).map(attemptOf),
  };
}

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean);
}

function madeOf(line: string): Made {
  const [, name = ''] = /--name (\S+) /.exec(line) ?? [];
  const [, memory] = /--memory (\d+)b /.exec(line) ?? [];
  return { ...attemptOf(name), memoryBytes: Number(memory) };
}

/** The name of a container ends with its run, which is a UUID, its fence and its attempt. */
function attemptOf(name: string): Attempt {
  const [, run, fence, n] = /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d+)-(\d+)$/.exec(name) ?? [];
  if (run === undefined || fence === undefined) throw new Error(`a container is named ${name}`);
  return { run, fence, n: Number(n) };
}
