import { z } from 'zod';
import { OsaError } from '../../error.ts';
import { readAnswer } from './answer.ts';
import type { Engine } from './engine.ts';

/** The OCI runtime that an engine starts containers with. */
export interface OciRuntime {
  /** Such as `runc`. */
  readonly name: string;
  /** Such as `1.1.12`; empty where it is not known. */
  readonly version: string;
  /** Name, version and machine of the distribution's package, such as `runc_1.1.5+ds1-1+deb12u1_amd64`. */
  readonly package: string | null;
}

interface Floor {
  readonly version: readonly [number, number, number];
  /** The fault that it mends, by which code in a container reached the host. */
  readonly mends: string;
  /** Packages of distributions that mend it in an older version. */
  readonly packages: readonly RegExp[];
}

/** A runtime that is not listed has no floor: its user has installed it on purpose. */
const floors: Readonly<Record<string, Floor>> = {
  runc: {
    version: [1, 1, 12],
    mends: 'CVE-2024-21626',
    packages: [
      /^runc_1\.0\.0~rc93\+ds1-5\+deb11u([3-9]|\d\d+)_/,
      /^runc_1\.1\.5\+ds1-1\+deb12u[1-9]\d*_/,
      /^runc_1\.1\.7-0ubuntu1~2[02]\.04\.([2-9]|\d\d+)_/,
    ],
  },
  crun: { version: [1, 4, 4], mends: 'CVE-2022-27650', packages: [] },
};

/** Its name on the operator's word: the package where there is one, since its version says more. */
export function runtimeLabel({ name, version, package: installed }: OciRuntime): string {
  return installed ?? `${name} ${version || 'unknown'}`;
}

/**
 * Why the runtime is too old for the code of others; undefined when it is not. Distributions mend faults in packages of
 * an older version, so that a package may be known to be mended where its version is below the floor.
 */
export function flawOfRuntime(runtime: OciRuntime): string | undefined {
  const floor = floors[runtime.name];
  if (floor === undefined || isAtLeast(runtime.version, floor.version)) return undefined;
  if (floor.packages.some((known) => known.test(runtime.package ?? ''))) return undefined;
  const least = `${runtime.name} ${floor.version.join('.')}`;
  return `${runtimeLabel(runtime)} may let code out of its container: ${least} and later, and some packages of distributions, mend ${floor.mends}`;
}

function isAtLeast(version: string, floor: readonly number[]): boolean {
  // A candidate of a release comes before it.
  const [, ...parts] = /^(\d+)\.(\d+)(?:\.(\d+))?(?![\d.]*[-~.]?rc)/.exec(version) ?? [];
  if (parts.length === 0) return false;
  for (const [index, least] of floor.entries()) {
    const part = Number(parts[index] ?? 0);
    if (part !== least) return part > least;
  }
  return true;
}

/** @throws OsaError `unavailable` when the engine does not say */
export async function ociRuntime(engine: Engine): Promise<OciRuntime> {
  const runtime = await answers[engine.name](engine);
  if (runtime !== undefined) return runtime;
  throw new OsaError('unavailable', `${engine.name} does not say which OCI runtime it uses`);
}

const podmanRuntime = z.object({
  name: z.string(),
  version: z.string().optional(),
  package: z.string().optional(),
});
const dockerComponents = z.array(z.object({ Name: z.string(), Version: z.string().optional() }));

const answers = {
  /** Podman names the runtime of the call's own options. */
  podman: async (engine: Engine) => {
    const text = await asked(engine, ['info', '--format', '{{json .Host.OCIRuntime}}']);
    const {
      name,
      version = '',
      package: installed,
    } = readAnswer(text, podmanRuntime, 'the answer to podman info');
    const isKnown = installed?.startsWith(`${name}_`) ?? false;
    return { name, version: numberIn(version), package: (isKnown && installed) || null };
  },
  docker: async (engine: Engine) => {
    const text = await asked(engine, ['version', '--format', '{{json .Server.Components}}']);
    const runc = readAnswer(text, dockerComponents, 'the answer to docker version').find(
      ({ Name }) => Name === 'runc',
    );
    return runc && { name: 'runc', version: runc.Version ?? '', package: null };
  },
} as const;

const asked = (engine: Engine, command: readonly string[]) => engine.require(command, { timeoutMs: 20_000 });

/** `runc version 1.1.5+ds1`, and more lines. */
function numberIn(text: string): string {
  return /version (\S+)/.exec(text)?.[1] ?? '';
}

/** @throws OsaError `usage` for a runtime that is too old for the code of others, `unavailable` */
export async function requireSafeRuntime(engine: Engine, accepted: string | undefined): Promise<void> {
  const runtime = await ociRuntime(engine);
  const flaw = flawOfRuntime(runtime);
  const label = runtimeLabel(runtime);
  if (flaw === undefined || label === accepted) return;
  throw new OsaError(
    'usage',
    `${flaw}; upgrade it, or set OSA_ACCEPTED_RUNTIME="${label}" if you know that it is mended`,
    { field: 'OSA_ACCEPTED_RUNTIME' },
  );
}
