import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import { bounds } from '../../limits.ts';
import type { Ended, Ending } from '../../run/runner.ts';
import { asUnavailable, systemCode } from '../../system-error.ts';
import { boundedLog } from '../attempt/bounded-log.ts';
import type { AttemptDirectory } from '../attempt/directory.ts';
import { isTooLarge, untilTooLarge } from '../attempt/output-size.ts';
import { endAll, signalProcess, startOf } from './processes.ts';

/** Between SIGTERM and SIGKILL after a timeout. */
const graceMs = 2_000;
/** What the pipes still hold once every process is gone is read within this. */
const drainMs = 1_000;

/** Beside the attempt's directories; names the leader of the process group for the sweep after a crash. */
export const leaderFile = 'leader.json';

export interface Start {
  readonly command: readonly string[];
  readonly attempt: AttemptDirectory;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onLog?: ((chunk: Uint8Array) => void) | undefined;
}

type ProcessEnd = Pick<Ended, 'ending' | 'exitCode' | 'exitSignal' | 'log' | 'logBytes'>;
type Child = ChildProcessByStdio<null, Readable, Readable>;

/**
 * Starts a command as the leader of its own session and process group, and resolves when every process of it has
 * ended. Its end, not that of its pipes, counts: a background process may hold those open.
 *
 * @throws OsaError `invalid` when it can never start, `unavailable` when it may start later.
 */
export async function supervise(start: Start): Promise<ProcessEnd> {
  const child = await launch(start);
  const log = boundedLog(bounds.logBytes, start.onLog);
  for (const stream of [child.process.stdout, child.process.stderr]) stream.on('data', log.append);
  const ended = await untilEnded(child, start).finally(() =>
    endAll({ directory: start.attempt.root, group: child.pid }),
  );
  await failpoint('process.exited');
  await drain(child);
  const flooded = ended.ending === 'exited' && (await isTooLarge(start.attempt.output));
  return {
    ...ended,
    ...(flooded && { ending: 'output_too_large' }),
    log: log.bytes(),
    logBytes: log.length(),
  };
}

async function untilEnded(child: Running, start: Start): Promise<Omit<ProcessEnd, 'log' | 'logBytes'>> {
  recordLeader(start.attempt.root, child.pid);
  await failpoint('process.started');
  const guard = guardGroup(child, start);
  try {
    const [[exitCode, exitSignal]] = await Promise.all([child.exited, guard.watching]);
    return { ending: guard.ending(), exitCode, exitSignal };
  } finally {
    guard.stop();
  }
}

interface Running {
  readonly process: Child;
  readonly pid: number;
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
  readonly closed: Promise<unknown>;
}

async function launch({ command, attempt, environment }: Start): Promise<Running> {
  const [file = '', ...rest] = command;
  let child: Child;
  try {
    child = spawn(file, rest, {
      cwd: attempt.code,
      env: { ...environment },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    throw startError(error, file);
  }
  if (child.pid === undefined) {
    const [error] = await once(child, 'error');
    throw startError(error, file);
  }
  const exited = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (code, signal) => resolve([code, signal]));
  });
  return { process: child, pid: child.pid, exited, closed: once(child, 'close') };
}

function startError(error: unknown, file: string): unknown {
  const shown = JSON.stringify(file);
  const code = systemCode(error) ?? '';
  const problem = {
    ENOENT: `is not found: it must be on the daemon's PATH or in the hook's directory (such as "./run.sh"), and so must the interpreter that its first line names`,
    EACCES: 'cannot be executed: give the file its executable bit, or name its interpreter in the command',
    ENOEXEC: 'is no program that this machine can execute',
    E2BIG: 'has too many or too long arguments',
    ERR_INVALID_ARG_VALUE: 'or one of its arguments holds a NUL character or is empty',
  }[code];
  if (problem === undefined) return asUnavailable(error, `Starting the command ${shown}`);
  return new OsaError('invalid', `The release's command ${shown} ${problem}`, {
    field: 'release.command',
    details: { command: file, code },
    cause: error,
  });
}

/** Exclusive, so that a link planted there by the code that has just started is not followed. */
function recordLeader(directory: string, pid: number): void {
  writeFileSync(join(directory, leaderFile), JSON.stringify({ pid, start: startOf(pid) ?? null }), {
    flag: 'wx',
    mode: 0o600,
  });
}

interface Guard {
  ending(): Ending;
  /** Ends when the leader has ended; rejects when the output can no longer be watched. */
  readonly watching: Promise<void>;
  stop(): void;
}

/** Ends the group on timeout, on cancellation and when the output outgrows its bound; the first of them names it. */
function guardGroup({ pid, exited }: Running, { attempt, timeoutMs, signal }: Start): Guard {
  let ending: Ending = 'exited';
  let grace: NodeJS.Timeout | undefined;
  const stopped = new AbortController();
  const end = (why: Ending, how: NodeJS.Signals) => {
    if (stopped.signal.aborted) return;
    if (ending === 'exited') ending = why;
    signalProcess(-pid, how);
  };
  const timeout = setTimeout(() => {
    end('timeout', 'SIGTERM');
    grace = setTimeout(() => end('timeout', 'SIGKILL'), graceMs);
  }, timeoutMs);
  const cancel = () => end('cancelled', 'SIGKILL');
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  const stop = () => {
    stopped.abort();
    clearTimeout(timeout);
    clearTimeout(grace);
    signal.removeEventListener('abort', cancel);
  };
  const watching = untilTooLarge(() => isTooLarge(attempt.output), stopped.signal).then((found) => {
    if (found) end('output_too_large', 'SIGKILL');
  });
  void exited.then(stop);
  return { ending: () => ending, watching, stop };
}

async function drain({ process: child, closed }: Running): Promise<void> {
  await Promise.race([closed, delay(drainMs, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
}
