import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { until } from './database/database.ts';

/** The programs as a user runs them: the built CLI, and daemons as processes of their own. */

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const builtOsa = join(root, 'packages/cli/dist/osa.js');
const builtOsad = join(root, 'packages/daemon/dist/osad.js');

export interface Daemon {
  readonly url: string;
  readonly process: ChildProcess;
  /** Everything that it has printed. */
  output(): string;
  /** Sends the signal and waits for the end; the answer is the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts `osad --dev --port 0` in `directory` with `args`, and waits until it listens. */
export function startDaemon(directory: string, ...args: string[]): Promise<Daemon> {
  return startDaemonWith({}, directory, ...args);
}

/** The same with settings in its environment. */
export async function startDaemonWith(
  settings: Readonly<Record<string, string>>,
  directory: string,
  ...args: string[]
): Promise<Daemon> {
  const child = spawn(process.execPath, [builtOsad, '--dev', '--port', '0', '--dir', '.osa', ...args], {
    cwd: directory,
    env: { ...userEnvironment(directory), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const state = join(directory, '.osa/daemon.json');
  const url = await until(`the daemon in ${directory}`, async () => {
    if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}:\n${output}`);
    const text = await readFile(state, 'utf8').catch(() => '{}');
    const { pid, url: listening } = JSON.parse(text) as { pid?: number; url?: string };
    return pid === child.pid ? listening : undefined;
  });
  return {
    url,
    process: child,
    output: () => output,
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await once(child, 'exit');
      }
      return child.exitCode;
    },
  };
}

export interface Answered {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the CLI in `directory`; the answer can be awaited, or sent a signal. */
export function startOsa(
  directory: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  return execa(process.execPath, [builtOsa, ...args], {
    cwd: directory,
    env: { ...userEnvironment(directory), ...env },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
  });
}

/** Runs the CLI in `directory`, and answers whatever its end was. */
export async function osa(
  directory: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const result = await startOsa(directory, args, env);
  return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
}

/** Runs the CLI with `--json` and gives the object that it printed. */
export async function osaJson(directory: string, args: readonly string[]) {
  const { exitCode, stdout, stderr } = await osa(directory, [...args, '--json']);
  if (exitCode !== 0) throw new Error(`osa ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return JSON.parse(stdout);
}

/** A user who has configured nothing. */
function userEnvironment(directory: string): NodeJS.ProcessEnv {
  return {
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: directory,
    XDG_CONFIG_HOME: join(directory, 'no-config'),
    LANG: 'C.UTF-8',
  };
}
