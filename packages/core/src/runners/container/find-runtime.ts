import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asOsaError } from '../../error.ts';
import { type EngineSettings, engineOf, lastLine } from './engine.ts';
import { ulimits } from './run-options.ts';

export interface FoundRuntime {
  /** Options with which podman can run a container; none when its own choice works, undefined when nothing does. */
  readonly options: readonly string[] | undefined;
  /** The choices that did not work, each with podman's reason. */
  readonly flaws: readonly string[];
}

/**
 * Finds an OCI runtime and a cgroup manager with which podman can run a container here. Its own choice comes first:
 * a default install may bring a runtime that refuses the machine's cgroups.
 */
export async function findRuntime(environment: EngineSettings['environment']): Promise<FoundRuntime> {
  const flaws: string[] = [];
  for (const options of choices) {
    const flaw = await flawOf({ name: 'podman', options, environment });
    if (flaw === undefined) return { options, flaws };
    flaws.push(`${options.length === 0 ? "podman's own choice" : options.join(' ')}: ${flaw}`);
  }
  return { options: undefined, flaws };
}

const choices: readonly (readonly string[])[] = [
  [],
  ...['runc', 'crun'].flatMap((runtime) =>
    ['cgroupfs', 'systemd'].map((manager) => ['--runtime', runtime, '--cgroup-manager', manager]),
  ),
];

/** The exit code of `podman run` when the container was made and does not have the command. */
const commandNotFound = 127;
const probeMs = 20_000;

/** Runs a command that is not there in an empty root: it needs no image, and all that comes before the command. */
async function flawOf(settings: EngineSettings): Promise<string | undefined> {
  const engine = engineOf(settings);
  const root = await mkdtemp(join(tmpdir(), 'osa-probe-'));
  const name = `osa-probe-${crypto.randomUUID()}`;
  try {
    const limits = ['--memory', '64m', '--pids-limit', '64', ...ulimits];
    const { exitCode, stderr } = await engine.call(
      ['run', '--rm', '--name', name, '--network', 'none', ...limits, '--rootfs', root, '/no-command'],
      { timeoutMs: probeMs },
    );
    if (exitCode === commandNotFound) return undefined;
    await engine.call(['rm', '--force', '--ignore', name]);
    return lastLine(stderr);
  } catch (error) {
    const known = asOsaError(error);
    if (!known) throw error;
    return known.message;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
