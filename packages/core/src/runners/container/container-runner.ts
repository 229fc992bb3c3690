import { chmod, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asOsaError, OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import { requireRegistry } from '../../hook/image.ts';
import { sha256 } from '../../hook/release.ts';
import type { Ended, Runner, Task } from '../../run/runner.ts';
import { asUnavailable } from '../../system/error.ts';
import type { RunnerParts } from '../parts.ts';
import { type AttemptDirectory, removeAttempt, stage } from '../shared/directory.ts';
import { type OutputQuota, outputQuota, unmountBelow } from '../shared/output-quota.ts';
import { readIds } from './answer.ts';
import type { CgroupHint } from './cgroup.ts';
import { type Engine, type EngineSettings, engineNames, engineOf, findEngine } from './engine.ts';
import { findRuntime } from './find-runtime.ts';
import { forgetImage, type KnownImages, knownImages, type PresentImage, resolveImage } from './image.ts';
import { requireSafeRuntime } from './oldest-runtime.ts';
import { type ContainerRemoval, containerRemoval, type OnLeft, removeContainers } from './removal.ts';
import { type ContainerEnd, runContainer } from './run-container.ts';
import { labels, runArguments } from './run-options.ts';
import { seccompProfile } from './seccomp.ts';

export interface ContainerRunnerParts {
  readonly engine: Omit<EngineSettings, 'environment'>;
  /** The daemon's, of which the engine sees what it needs and the code nothing. */
  readonly environment: NodeJS.ProcessEnv;
  /** Where images may come from; anywhere if there is none. */
  readonly registries?: readonly string[] | undefined;
  /** The longest time for a pull; it comes before the batch's own time. */
  readonly pullTimeoutMs: number;
  readonly onPull?: RunnerParts['onPull'];
  readonly onLeft: OnLeft;
  /** Bounds what code writes; undefined where the machine or the user has none, and the output is watched only. */
  readonly quota: OutputQuota | undefined;
  /** Rejects while the engine's OCI runtime is not known to be safe. */
  readonly checkRuntime?: () => Promise<void>;
}

/**
 * The runner of the engine that `setting` names, or for `auto` of the one that is there.
 *
 * @throws OsaError `usage` when there is none
 */
export async function foundContainerRunner(parts: RunnerParts): Promise<Runner> {
  const { setting, engineOptions: given, environment, pullTimeoutMs, onPull, registries, warn } = parts;
  const named = engineNames.filter((engine) => engine === setting);
  const name = await findEngine({ options: given, environment }, named.length > 0 ? named : engineNames);
  const options = name === 'podman' && given.length === 0 ? await runtimeOptions(parts) : given;
  const checkRuntime = await runtimeCheck(engineOf({ name, options, environment }), parts);
  const quota = await outputQuota().catch((error: unknown) => {
    const known = asOsaError(error);
    if (!known) throw error;
    warn(softBound, { why: known.message });
    return undefined;
  });
  const onLeft: OnLeft = (container, err) =>
    warn(`a container is left; it is tried again, or: ${name} rm --force ${container}`, { container, err });
  return containerRunner({
    engine: { name, options },
    environment,
    pullTimeoutMs,
    ...(onPull && { onPull }),
    registries,
    onLeft,
    quota,
    checkRuntime,
  });
}

/**
 * Looks at the version of the OCI runtime at once; with an engine that is away, before the first container.
 *
 * @throws OsaError `usage` when it is too old
 */
async function runtimeCheck(engine: Engine, parts: RunnerParts): Promise<() => Promise<void>> {
  const { acceptedRuntime, requiresSafeRuntime, warn } = parts;
  const check = onceItWorks(async () => {
    try {
      await requireSafeRuntime(engine, acceptedRuntime);
    } catch (error) {
      if (requiresSafeRuntime || asOsaError(error)?.code !== 'usage') throw error;
      warn('the OCI runtime is too old for the code of others', { why: asOsaError(error)?.message });
    }
  });
  await check().catch((error: unknown) => {
    if (asOsaError(error)?.code !== 'unavailable') throw error;
    warn('the version of the OCI runtime is not known yet; hooks wait until it is', { err: error });
  });
  return check;
}

/** The options that let podman run a container here, if its own choice does not. */
async function runtimeOptions({ environment, warn }: RunnerParts): Promise<readonly string[]> {
  const { options, flaws } = await findRuntime(environment);
  if (options === undefined) {
    warn('podman cannot run a container here; hooks wait until it can', { why: flaws.join('; ') });
    return [];
  }
  if (flaws.length > 0) {
    const message = `podman runs containers with ${options.join(' ')}, and not by its own choice; OSA_ENGINE_OPTIONS sets it`;
    warn(message, { why: flaws.join('; ') });
  }
  return options;
}

const softBound =
  'the bound on what hooks write is soft: output is only watched, and could fill the disk between two looks; for a ' +
  'hard one run as root on Linux, with loop devices, mount and mkfs.ext4';

/**
 * Runs OCI images as containers of podman or docker: by digest, without network, privileges or a writable root.
 * The image needs nothing but the contract: OSA_IN, OSA_OUT, OSA_FILES and OSA_HOOK_NAME in its environment, and the
 * files behind them.
 */
export function containerRunner(parts: ContainerRunnerParts): Runner {
  const { environment, pullTimeoutMs, quota, registries = [] } = parts;
  const engine = engineOf({ ...parts.engine, environment });
  const hint: CgroupHint = {};
  const known = knownImages(parts.onPull);
  const removal = containerRemoval(engine, parts.onLeft);
  const profile = onceItWorks(() => seccompProfile(engine));
  return {
    name: engine.name,
    runtimes: ['image'],
    async run(task, signal) {
      // A release may be older than the list.
      requireRegistry(registries, task.release.image, 'release.image');
      await parts.checkRuntime?.();
      return run(task, { engine, hint, known, profile, removal, pullTimeoutMs, quota, signal });
    },
    settle: () => removal.settle(),
    sweep: (workspace) => sweep(engine, workspace),
  };
}

interface Means {
  readonly engine: Engine;
  readonly hint: CgroupHint;
  readonly known: KnownImages;
  readonly profile: () => Promise<string | undefined>;
  readonly removal: ContainerRemoval;
  readonly pullTimeoutMs: number;
  readonly quota: OutputQuota | undefined;
  readonly signal: AbortSignal;
}

async function run(task: Task, means: Means): Promise<Ended> {
  const { release } = task;
  if (release.runtime !== 'image') {
    throw new OsaError('invalid', `The container runner runs images, not the runtime "${release.runtime}"`, {
      field: 'release.runtime',
    });
  }
  let attempt: AttemptDirectory | undefined;
  try {
    const staged = await stage(task);
    attempt = staged;
    await means.quota?.mount(staged.output, join(staged.root, 'output.img'));
    await share(staged);
    const { container, ...ended } = await runStaged(task, staged, means);
    // With its container, since nothing of an end is thrown away before it is settled; nobody waits for the engine.
    const dispose = async () => {
      void means.removal.remove(container);
      await unmountAndRemove(staged);
    };
    return { ...ended, outputDirectory: staged.output, dispose };
  } catch (error) {
    if (attempt !== undefined) await unmountAndRemove(attempt);
    throw asUnavailable(error, `Starting hook ${task.hook}`);
  }
}

async function unmountAndRemove(attempt: AttemptDirectory): Promise<void> {
  await unmountBelow(attempt.root);
  await removeAttempt(attempt);
}

async function runStaged(task: Task, attempt: AttemptDirectory, means: Means) {
  const { digest } = task.release;
  const workspace = await workspaceLabel(task.workspace);
  // The engine has one set of names for all workspaces.
  const container = `osa-${workspace.slice(0, 12)}-${task.id}`;
  try {
    const { present, ...watched } = await startedOnce(task, attempt, { ...means, workspace, container });
    const { image: ran, ...ended } = watched;
    const isRelease = ran === present.id;
    return {
      ...ended,
      container,
      resolvedDigest: isRelease ? digest : ran,
      platformDigest: isRelease ? present.platformDigest : null,
    };
  } catch (error) {
    await means.removal.remove(container);
    throw error;
  }
}

interface Names {
  readonly workspace: string;
  readonly container: string;
}

/** The engine makes no container of an image that was removed since it was looked up: then it is looked for again. */
async function startedOnce(
  task: Task,
  attempt: AttemptDirectory,
  means: Means & Names,
): Promise<ContainerEnd & { readonly present: PresentImage }> {
  const { engine, known, pullTimeoutMs, signal } = means;
  const { digest, image } = task.release;
  const { temporary } = attempt;
  for (let isAgain = false; ; isAgain = true) {
    await failpoint('image.resolve');
    const present = await resolveImage(engine, { image, digest, pullTimeoutMs, temporary, known, signal });
    signal.throwIfAborted();
    const watched = await start(task, attempt, present, means);
    if (!('complaint' in watched)) return { ...watched, present };
    forgetImage(known, digest);
    signal.throwIfAborted();
    if (!present.isRemembered || isAgain) {
      throw new OsaError('unavailable', `${engine.name} did not make the container: ${watched.complaint}`);
    }
  }
}

async function start(task: Task, attempt: AttemptDirectory, present: PresentImage, means: Means & Names) {
  const { engine, workspace, container: name, quota, signal, hint } = means;
  const seccomp = await writeProfile(attempt, await means.profile());
  const idFile = join(attempt.root, 'container');
  await rm(idFile, { force: true });
  const plan = { engine: engine.name, name, task, attempt, image: present.id, seccomp, workspace, idFile };
  return await runContainer({
    engine,
    name,
    arguments: runArguments(plan),
    idFile,
    attempt,
    hasQuota: quota !== undefined,
    timeoutMs: task.release.limits.timeout_seconds * 1_000,
    signal,
    hint,
    onLog: task.onLog,
  });
}

async function writeProfile({ root }: AttemptDirectory, profile: string | undefined) {
  if (profile === undefined) return undefined;
  const path = join(root, 'seccomp.json');
  await writeFile(path, profile);
  return path;
}

/** The answer of the first call that succeeds. */
function onceItWorks<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let answer: Promise<Answer> | undefined;
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}

/** The code is another user: it may read its input and write its output. Around both, the attempt's root is closed. */
async function share({ input, output, files }: AttemptDirectory): Promise<void> {
  for (const directory of [input, files]) await chmod(directory, 0o755);
  for (const name of await readdir(input)) await chmod(join(input, name), 0o644);
  await chmod(output, 0o777);
}

/** A path can be long and say things about the machine; its hash is as good a name. */
async function workspaceLabel(workspace: string): Promise<string> {
  return sha256(await realpath(workspace)).slice(0, 32);
}

/** Containers of this workspace, whatever daemon made them: a daemon holds its workspace alone, so that one is dead. */
async function sweep(engine: Engine, workspace: string): Promise<number> {
  const label = `label=${labels.workspace}=${await workspaceLabel(workspace)}`;
  const listed = await engine.require(['ps', '--all', '--quiet', '--no-trunc', '--filter', label]);
  const containers = readIds(listed, `the answer to ${engine.name} ps`);
  await removeContainers(engine, containers);
  return containers.length;
}
