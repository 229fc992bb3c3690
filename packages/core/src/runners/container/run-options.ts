import { availableParallelism } from 'node:os';
import { OsaError } from '../../error.ts';
import { bounds } from '../../limits.ts';
import type { Task } from '../../run/runner.ts';
import type { AttemptDirectory } from '../shared/directory.ts';
import type { EngineName } from './engine.ts';

/** Labels by which containers of any daemon of ours are found. */
export const labels = { workspace: 'osa.workspace', attempt: 'osa.attempt' } as const;

/** Where the container finds its places; images rely on it. */
const places = { input: '/osa/in', output: '/osa/out', files: '/osa/files' } as const;

const mib = 2 ** 20;
const temporaryBytes = 100 * mib;
const processes = 256;
/** Beyond its own time, what the code of a daemon that is gone may live. */
const orphanSeconds = 120;

export interface ContainerPlan {
  readonly engine: EngineName;
  readonly name: string;
  readonly task: Task;
  readonly attempt: AttemptDirectory;
  /** The id of the image. */
  readonly image: string;
  /** A file with the profile of allowed system calls; the engine's default without it. */
  readonly seccomp: string | undefined;
  /** The value of the workspace's label. */
  readonly workspace: string;
  /** A file that is not there yet; the engine writes the container's id into it before it starts the code. */
  readonly idFile: string;
}

/** The arguments of `run`: everything that confines the code stands here. */
export function runArguments(plan: ContainerPlan): string[] {
  const { engine, name, task, image } = plan;
  return [
    // A signal to the engine's command is not for the code.
    ...['run', '--sig-proxy=false', '--name', name, '--cidfile', plan.idFile, '--pull', 'never'],
    ...['--label', `${labels.workspace}=${plan.workspace}`, '--label', `${labels.attempt}=${task.id}`],
    ...['--network', 'none', '--ipc', 'none', '--read-only', '--user', '65534:65534'],
    ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--restart', 'no'],
    ...(plan.seccomp === undefined ? [] : ['--security-opt', `seccomp=${plan.seccomp}`]),
    ...['--no-healthcheck', '--log-driver', 'none', '--stop-timeout', '0'],
    ...limits(task),
    ...['--tmpfs', `/tmp:rw,noexec,nosuid,nodev,size=${temporaryBytes},mode=1777`],
    ...environment(task),
    ...mounts(plan),
    ...dialects[engine],
    ...deadline(plan),
    ...['--', image],
  ];
}

/**
 * Options that only one of the two engines has or needs. Podman would hand on the daemon's proxies, put writable tmpfs
 * over a read-only root, and make volumes that the image declares. Docker has no such options, and its volumes are
 * refused.
 */
const dialects: Record<EngineName, readonly string[]> = {
  podman: [
    '--http-proxy=false',
    '--read-only-tmpfs=false',
    '--image-volume',
    'ignore',
    '--unsetenv',
    'container',
  ],
  docker: [],
};

/** When nobody is left to end the code: longer than we take ourselves, by podman's monitor. Docker has none. */
function deadline({ engine, task }: ContainerPlan): string[] {
  const seconds = task.release.limits.timeout_seconds + orphanSeconds;
  return engine === 'podman' ? ['--timeout', String(seconds)] : [];
}

export const ulimits: readonly string[] = ['nofile=1024:1024', 'nproc=4096:4096', 'core=0:0'].flatMap(
  (limit) => ['--ulimit', limit],
);

/** Swap counts as memory. The limit on file size holds where the output has no quota. */
function limits({ memoryBytes, release }: Task): string[] {
  const cpus = Math.min(release.limits.cpu_millicores / 1_000, availableParallelism());
  const fileBytes = bounds.outputBytes + mib;
  return [
    ...['--memory', `${memoryBytes}b`, '--memory-swap', `${memoryBytes}b`, '--cpus', String(cpus)],
    ...['--pids-limit', String(processes)],
    ...ulimits,
    ...['--ulimit', `fsize=${fileBytes}:${fileBytes}`],
  ];
}

function environment({ hook }: Task): string[] {
  const { input, output, files } = places;
  const variables = { OSA_IN: input, OSA_OUT: output, OSA_FILES: files, OSA_HOOK_NAME: hook };
  return Object.entries(variables).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
}

function mounts({ engine, attempt }: ContainerPlan): string[] {
  const { input, output, files } = attempt;
  return [
    ...mount(engine, input, places.input, true),
    ...mount(engine, output, places.output, false),
    ...mount(engine, files, places.files, true),
  ];
}

/** A bind mount, on podman one on which nothing can be executed; docker has no such option, but the file system of the quota refuses too. */
function mount(engine: EngineName, source: string, target: string, readOnly: boolean): string[] {
  if (/[,"\n]/.test(source)) {
    throw new OsaError(
      'usage',
      `${source}: a directory of containers must have no comma, quote or line end in its path`,
      { field: 'OSA_DATA_DIR' },
    );
  }
  const flags = engine === 'podman' ? ',nosuid,nodev,noexec' : '';
  const access = readOnly ? ',readonly' : '';
  return ['--mount', `type=bind,source=${source},target=${target}${flags}${access}`];
}
