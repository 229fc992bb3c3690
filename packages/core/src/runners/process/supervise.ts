import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import { bounds } from '../../limits.ts';
import type { Ended } from '../../run/runner.ts';
import { asUnavailable, systemCode } from '../../system/error.ts';
import { boundedLog } from '../shared/bounded-log.ts';
import type { AttemptDirectory } from '../shared/directory.ts';
import { untilEnded } from '../shared/guard.ts';
import { isTooLarge } from '../shared/output-size.ts';
import { endAll, endWithProcess, signalProcess, startOf } from './processes.ts';

/** The time for reading the rest of the pipes once every process is gone. */
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
  using _ = endWithProcess(child.pid);
  const log = boundedLog(bounds.logBytes, start.onLog);
  for (const stream of [child.process.stdout, child.process.stderr]) stream.on('data', log.append);
  const ended = await watched(child, start).finally(() =>
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

async function watched(child: Started, start: Start): Promise<Omit<ProcessEnd, 'log' | 'logBytes'>> {
  const { attempt, timeoutMs, signal } = start;
  recordLeader(attempt.root, child.pid);
  await failpoint('process.started');
  const ending = await untilEnded({
    exited: child.exited,
    begun: Promise.resolve(true),
    timeoutMs,
    signal,
    isTooLarge: () => isTooLarge(attempt.output),
    terminate: async () => signalProcess(-child.pid, 'SIGTERM'),
    kill: async () => signalProcess(-child.pid, 'SIGKILL'),
  });
  const [exitCode, exitSignal] = await child.exited;
  return { ending, exitCode, exitSignal };
}

interface Started {
  readonly process: Child;
  readonly pid: number;
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
  readonly closed: Promise<unknown>;
}

async function launch({ command, attempt, environment }: Start): Promise<Started> {
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
    ENOEXEC: 'is not a program that this machine can execute',
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

async function drain({ process: child, closed }: Started): Promise<void> {
  await Promise.race([closed, delay(drainMs, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
}
