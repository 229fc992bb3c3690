import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import { bounds } from '../../limits.ts';
import { outputFiles } from '../../run/output/files.ts';
import { saysComplete } from '../../run/output/progress.ts';
import type { Ended } from '../../run/runner.ts';
import { systemCode } from '../../system/error.ts';
import { boundedLog } from '../shared/bounded-log.ts';
import type { AttemptDirectory } from '../shared/directory.ts';
import { type Running, slept, untilEnded } from '../shared/guard.ts';
import { isQuotaExceeded, requireKept } from '../shared/output-quota.ts';
import { isTooLarge } from '../shared/output-size.ts';
import { imageId, readAnswer } from './answer.ts';
import { type CgroupHint, countOomKills } from './cgroup.ts';
import { type Engine, lastLine, type Streaming } from './engine.ts';
import { withPrefix } from './image.ts';
import { isUnknown } from './removal.ts';

/** The time in which the engine must notice that the code is dead. */
const settleMs = 30_000;
/** The time in which the engine must make the container. */
const makeMs = 60_000;
const lookEveryMs = 10;

export interface Order {
  readonly engine: Engine;
  readonly name: string;
  /** Those with which the engine makes and starts the container. */
  readonly arguments: readonly string[];
  /** Where the engine writes the container's id before it starts the code. */
  readonly idFile: string;
  readonly attempt: AttemptDirectory;
  /** Whether the output is a file system of its own. */
  readonly hasQuota: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly hint: CgroupHint;
  readonly onLog: ((chunk: Uint8Array) => void) | undefined;
}

export interface ContainerEnd
  extends Pick<Ended, 'ending' | 'exitCode' | 'exitSignal' | 'detail' | 'log' | 'logBytes'> {
  /** The image that the engine says it ran. */
  readonly image: string;
}

/** The engine made no container. */
export interface NotMade {
  /** The last of what it said. */
  readonly complaint: string;
}

/**
 * Makes and starts a container, and resolves when it has ended, whatever its end was.
 *
 * @throws OsaError `invalid` when its entrypoint cannot start, `unavailable` when the engine cannot start or lost it
 */
export async function runContainer(order: Order): Promise<ContainerEnd | NotMade> {
  const { engine, name, attempt, hint, signal } = order;
  signal.throwIfAborted();
  const log = boundedLog(bounds.logBytes, order.onLog);
  const attached = engine.stream(order.arguments, attempt.temporary);
  let complaint = '';
  attached.stdout.on('data', log.append);
  attached.stderr.on('data', (chunk: Buffer) => {
    log.append(chunk);
    if (complaint.length < 4_096) complaint += chunk.toString();
  });
  const made = madeContainer(order.idFile, attached);
  const counter = countOomKills(made, hint);
  await failpoint('container.asked');
  const ending = await untilEnded(running(order, attached, made)).finally(() => {
    attached.kill();
    return counter.stop();
  });
  await failpoint('container.exited');
  const state = await endState(engine, name);
  if (state === undefined) {
    // Its code has run and may have written, so no other container may be made for this attempt.
    if ((await textIn(order.idFile)) !== '') throw new OsaError('unavailable', removed(engine, name));
    return { complaint: lastLine(complaint) };
  }
  if (neverBegan.has(state.Status)) throw notStarted(engine, complaint);
  if (!hasEnded.has(state.Status)) {
    throw new OsaError('unavailable', `${engine.name} lost the container ${name}, which is ${state.Status}`);
  }
  const ended = {
    ...exitOf(state.ExitCode),
    log: log.bytes(),
    logBytes: log.length(),
    image: withPrefix(state.image),
  };
  if (ending !== 'exited') return { ...ended, ending };
  if (await isOutputTooLarge(order)) return { ...ended, ending: 'output_too_large' };
  if (order.hasQuota) await keepAnswers(attempt);
  const starved = state.OOMKilled || counter.kills() > 0 || (await monitorSawOom(attempt.temporary));
  if (!starved) return { ...ended, ending, detail: null };
  if (state.ExitCode !== 0) return { ...ended, ending: 'out_of_memory' };
  const isWhole = saysComplete(attempt.output);
  return { ...ended, ending: isWhole ? ending : 'out_of_memory', detail: isWhole ? survived : incomplete };
}

async function keepAnswers({ output }: AttemptDirectory): Promise<void> {
  for (const name of [...outputFiles, 'progress.jsonl']) await requireKept(join(output, name));
}

const survived =
  'one of its processes was killed for lack of memory; the hook exited with 0 and says that its output is complete';
const incomplete =
  'one of its processes was killed for lack of memory; the hook exited with 0, but the last line of progress.jsonl does not have the status "complete"';

/** At the end names and lengths are looked at, too: a file with holes takes less than it would be to read. */
async function isOutputTooLarge({ attempt, hasQuota }: Order): Promise<boolean> {
  return (hasQuota && (await isQuotaExceeded(attempt.output))) || isTooLarge(attempt.output);
}

/** Podman's monitor, conmon, leaves a file of this name in the directory that it was started in. */
async function monitorSawOom(directory: string): Promise<boolean> {
  return (await readdir(directory)).includes('oom');
}

/** A shell's way to say that a signal ended the code, which is all that engines tell. */
function exitOf(code: number): Pick<Ended, 'exitCode' | 'exitSignal'> {
  return {
    exitCode: code,
    exitSignal: { 134: 'SIGABRT', 137: 'SIGKILL', 139: 'SIGSEGV', 143: 'SIGTERM' }[code] ?? null,
  };
}

function notStarted(engine: Engine, complaint: string): OsaError {
  const why = lastLine(complaint);
  if (unusable.test(why)) {
    return new OsaError('invalid', `the image's entrypoint cannot start: ${why}`, { field: 'release.image' });
  }
  if (noDirectory.test(why)) {
    return new OsaError('invalid', `the image's working directory cannot be used: ${why}`, {
      field: 'release.image',
    });
  }
  return new OsaError('unavailable', `${engine.name} could not start the container: ${why}`);
}

/** How runc and crun, by way of either engine, say that the program is not there or is none; nothing else tells. */
const unusable = /command that was not found|executable file .* not found|exec: "[^"]*": |open executable: /i;

/** How podman, docker, runc and crun say that the working directory is none, or is closed to the hook's user. */
const noDirectory =
  /workdir "[^"]*" (exists on container \S+, but is not a directory|does not exist)|cannot mkdir: \S+ is not a directory|chdir to (cwd \(|`)|set working directory/i;

/** The answer to `container inspect`. */
const inspected = z.array(
  z.object({
    State: z.object({ Status: z.string(), ExitCode: z.int(), OOMKilled: z.boolean() }),
    Image: imageId,
  }),
);

type State = z.output<typeof inspected>[number]['State'] & { readonly image: string };

const neverBegan: ReadonlySet<string> = new Set(['created', 'initialized', 'configured']);
/** In any other state, such as `paused`, the code may go on, and the exit code is 0 because it has none. */
const hasEnded: ReadonlySet<string> = new Set(['exited', 'stopped', 'dead']);

const removed = ({ name: engine }: Engine, name: string) =>
  `somebody removed the container ${name} from ${engine} before its end was known`;

/** The engine may still be writing down that the code has ended when it lets go of its output. Undefined without a container. */
async function endState(engine: Engine, name: string): Promise<State | undefined> {
  const deadline = performance.now() + settleMs;
  for (;;) {
    const { ok, stdout, stderr } = await engine.call(['container', 'inspect', name]);
    const [found] = ok ? readAnswer(stdout, inspected, `the answer to ${engine.name} container inspect`) : [];
    if (!found) {
      if (ok || isUnknown(stderr)) return undefined;
      throw new OsaError('unavailable', `${engine.name} container inspect: ${lastLine(stderr)}`);
    }
    const settling = found.State.Status === 'running' || found.State.Status === 'stopping';
    if (!settling || performance.now() > deadline) return { ...found.State, image: found.Image };
    await delay(50);
  }
}

function running(
  { engine, name, attempt, hasQuota, timeoutMs, signal }: Order,
  attached: Streaming,
  made: Promise<string | undefined>,
): Running {
  return {
    exited: attached.exited,
    // How long the engine takes to make it is not the code's doing.
    begun: made.then((id) => {
      if (id === undefined) attached.kill();
      return id !== undefined;
    }),
    timeoutMs,
    signal,
    isTooLarge: () => (hasQuota ? isQuotaExceeded : isTooLarge)(attempt.output),
    terminate: () => engine.call(['kill', '--signal', 'TERM', name]),
    kill: (dead) => kill(engine, name, dead),
  };
}

/** Until it is dead: a container that is only made or starting cannot be killed yet, and the engine refuses. */
async function kill(engine: Engine, name: string, dead: AbortSignal): Promise<void> {
  const deadline = performance.now() + settleMs;
  while (!dead.aborted) {
    await engine.call(['kill', '--signal', 'KILL', name]);
    if (performance.now() > deadline) {
      throw new OsaError('unavailable', `the container ${name} survives SIGKILL`, { details: { name } });
    }
    await slept(200, dead);
  }
}

/** The id of the container, as soon as the engine has made it; undefined when it makes none, or takes too long. */
async function madeContainer(idFile: string, attached: Streaming): Promise<string | undefined> {
  const over = new AbortController();
  void attached.exited.then(() => over.abort());
  const deadline = performance.now() + makeMs;
  for (;;) {
    const isOver = over.signal.aborted || performance.now() > deadline;
    const [id] = /^[0-9a-f]{64}$/.exec(await textIn(idFile)) ?? [];
    if (id !== undefined) {
      await failpoint('container.created');
      return id;
    }
    if (isOver) return undefined;
    await slept(lookEveryMs, over.signal);
  }
}

async function textIn(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
}
