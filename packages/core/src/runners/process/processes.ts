import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OsaError } from '../../error.ts';
import { systemEnvironment } from '../../system/environment.ts';
import { systemCode } from '../../system/error.ts';

const endWithinMs = 5_000;
const lookEveryMs = 5;

/** Which processes belong to an attempt: a process group, and, where /proc tells, whatever runs in a directory. */
export interface Whose {
  readonly directory: string;
  /** The pid of the group's leader. */
  readonly group: number | undefined;
}

/**
 * Kills every process of `whose` and resolves when none is alive. On Linux this includes those that left the group.
 *
 * @throws OsaError `unavailable` when one is still there after 5 s.
 */
export async function endAll(whose: Whose): Promise<void> {
  const deadline = performance.now() + endWithinMs;
  for (;;) {
    if (whose.group !== undefined) signalProcess(-whose.group, 'SIGKILL');
    const alive = await living(whose);
    if (alive.length === 0) return;
    for (const pid of alive) signalProcess(pid, 'SIGKILL');
    if (performance.now() > deadline) {
      throw new OsaError('unavailable', `Processes of a hook survive SIGKILL: ${alive.join(', ')}`, {
        details: { pids: alive, directory: whose.directory },
      });
    }
    await delay(lookEveryMs);
  }
}

/** Sends a signal to a process, or to a group when `pid` is negative; a missing one is not an error. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    // EPERM: macOS answers so for a group of which only unreaped processes are left.
    if (systemCode(error) === 'ESRCH' || systemCode(error) === 'EPERM') return false;
    throw error;
  }
}

/** When a process started, as the system spells it, or undefined when there is none. Tells reused pids apart. */
export function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).start;
    return (
      execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
        encoding: 'utf8',
        env: systemEnvironment,
      }).trim() || undefined
    );
  } catch (error) {
    if (isGone(error) || (error instanceof Error && 'status' in error)) return undefined;
    throw error;
  }
}

async function living(whose: Whose): Promise<number[]> {
  if (process.platform !== 'linux') {
    return whose.group !== undefined && signalProcess(-whose.group, 0) ? [-whose.group] : [];
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const belongs = await Promise.all(pids.map((pid) => pid !== process.pid && isOf(pid, whose)));
  return pids.filter((_pid, index) => belongs[index]);
}

/**
 * A hook's process is known by its group, by the TMPDIR that it was started with, or by its working directory.
 * The last counts only without a terminal, so that a person's shell that stands in the directory lives on.
 */
async function isOf(pid: number, { directory, group }: Whose): Promise<boolean> {
  const stat = await orGone(readFile(`/proc/${pid}/stat`, 'utf8'));
  if (stat === undefined) return false;
  const { state, processGroup, terminal } = parseStat(stat);
  if (state === 'Z' || state === 'X') return false;
  if (processGroup === group) return true;
  const inside = `${directory}${sep}`;
  const environment = await orGone(readFile(`/proc/${pid}/environ`, 'utf8'));
  if (environment?.split('\0').some((entry) => entry.startsWith(`TMPDIR=${inside}`))) return true;
  const cwd = terminal === 0 ? await orGone(readlink(`/proc/${pid}/cwd`)) : undefined;
  return cwd?.startsWith(inside) ?? false;
}

/** proc_pid_stat(5). The second field is the command in parentheses and may hold spaces and parentheses itself. */
function parseStat(text: string) {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0],
    processGroup: Number(fields[2]),
    terminal: Number(fields[4]),
    start: fields[19],
  };
}

/** The answer of /proc about a process, or undefined when it is gone or another user's. */
async function orGone(answer: Promise<string>): Promise<string | undefined> {
  try {
    return await answer;
  } catch (error) {
    // ENAMETOOLONG: some process, perhaps nobody's of ours, stands deeper than a path can say.
    if (isGone(error) || ['EACCES', 'EPERM', 'ENAMETOOLONG'].includes(systemCode(error) ?? ''))
      return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH';
}

/** Process groups that this process has started and that have not ended. */
const groups = new Set<number>();
const endGroups = () => {
  for (const group of groups) signalProcess(-group, 'SIGKILL');
};

/**
 * Kills the group when this process exits, until it is disposed. A daemon that must end at once leaves no code behind;
 * only one that is killed leaves it to the next sweep.
 */
export function endWithProcess(group: number): Disposable {
  if (groups.size === 0) process.on('exit', endGroups);
  groups.add(group);
  return {
    [Symbol.dispose]() {
      groups.delete(group);
      if (groups.size === 0) process.off('exit', endGroups);
    },
  };
}
