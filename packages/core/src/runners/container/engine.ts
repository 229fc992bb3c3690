import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { asOsaError, OsaError } from '../../error.ts';
import { chosenEnvironment } from '../../system/environment.ts';
import { systemCode } from '../../system/error.ts';

/** Podman or docker, by its command line; `options.ts` and its neighbours have what differs between the two. */
export interface Engine {
  readonly name: EngineName;
  /**
   * Runs one command to its end.
   *
   * @throws OsaError `unavailable` when the engine cannot be started, or does not end in time; what the command
   * itself refuses is in the answer.
   */
  call(args: readonly string[], options?: CallOptions): Promise<Answered>;
  /** Calls the engine for a command that must succeed. @throws OsaError `unavailable` with the engine's message */
  require(args: readonly string[], options?: CallOptions): Promise<string>;
  /** Starts a command in a directory; its output is read as it comes. */
  stream(args: readonly string[], directory: string): Streaming;
}

interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Where the command keeps what it needs only for itself; what it leaves there when it is killed is the caller's. */
  readonly temporary?: string;
}

export const engineNames = ['podman', 'docker'] as const;
export type EngineName = (typeof engineNames)[number];

export interface Streaming {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The exit code, once its output has been read too; undefined when a signal ended it, or it never started. */
  readonly exited: Promise<number | undefined>;
  kill(): void;
}

export interface Answered {
  readonly ok: boolean;
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface EngineSettings {
  readonly name: EngineName;
  /** Options of the engine itself, which stand before its command, such as `--runtime`. */
  readonly options: readonly string[];
  /** The daemon's environment, of which the engine sees what it needs. */
  readonly environment: NodeJS.ProcessEnv;
}

const callMs = 60_000;
const answerBytes = 8 * 1024 * 1024;

export function engineOf({ name, options, environment }: EngineSettings): Engine {
  const env = engineEnvironment(environment);
  // In a process group of its own: Ctrl-C in the daemon's terminal is for the daemon, which lets hooks end.
  const shared = { env, extendEnv: false, reject: false, stdin: 'ignore', detached: true } as const;
  const call: Engine['call'] = async (args, { timeoutMs = callMs, signal, temporary } = {}) => {
    const result = await execa(name, [...options, ...args], {
      ...shared,
      ...(temporary !== undefined && { env: { ...env, TMPDIR: temporary } }),
      timeout: timeoutMs,
      forceKillAfterDelay: 2_000,
      maxBuffer: answerBytes,
      ...(signal && { cancelSignal: signal }),
    });
    const { exitCode, stdout, stderr, timedOut, isCanceled } = result;
    if (isCanceled) throw signal?.reason ?? new OsaError('interrupted', `${name} ${args[0]} was stopped`);
    if (timedOut) throw unavailable(name, args, `did not end within ${timeoutMs / 1_000} s`);
    if (exitCode === undefined) throw unavailable(name, args, result.shortMessage ?? 'did not start', result);
    return { ok: exitCode === 0, exitCode, stdout, stderr };
  };
  return {
    name,
    call,
    async require(args, callOptions) {
      const { ok, stdout, stderr } = await call(args, callOptions);
      if (!ok) throw unavailable(name, args, lastLine(stderr));
      return stdout.trim();
    },
    stream(args, cwd) {
      const child = execa(name, [...options, ...args], { ...shared, cwd, buffer: false });
      const exited = child.then(({ exitCode }) => exitCode);
      return { stdout: child.stdout, stderr: child.stderr, exited, kill: () => child.kill('SIGKILL') };
    },
  };
}

/** The first of the named engines that works. @throws OsaError `usage` that says of each what is wrong with it */
export async function findEngine(
  settings: Omit<EngineSettings, 'name'>,
  names: readonly EngineName[] = engineNames,
): Promise<EngineName> {
  const flaws: { readonly text: string; readonly cause: unknown }[] = [];
  for (const name of names) {
    const flaw = await flawOf(engineOf({ ...settings, options: [], name }));
    if (flaw === undefined) return name;
    flaws.push(flaw);
  }
  throw new OsaError(
    'usage',
    `${flaws.map(({ text }) => text).join(', and ')}; ${flaws.length === 1 ? 'repair or install it' : 'repair or install one of them'}`,
    { field: 'OSA_RUNNER', cause: flaws.find(({ cause }) => cause !== undefined)?.cause },
  );
}

async function flawOf(engine: Engine): Promise<{ text: string; cause: unknown } | undefined> {
  const { name } = engine;
  try {
    const { ok, exitCode, stderr } = await engine.call(['--version'], { timeoutMs: 10_000 });
    if (ok) return undefined;
    const text = `${name} does not work (${name} --version exits with ${exitCode}: ${lastLine(stderr)})`;
    return { text, cause: undefined };
  } catch (cause) {
    const known = asOsaError(cause);
    if (!known) throw cause;
    const isMissing = known.details?.code === 'ENOENT';
    return { text: isMissing ? `${name} is not on the PATH` : known.message, cause };
  }
}

/** The engine's last line; it tends to have the cause at the end. */
export function lastLine(text: string): string {
  const lines = text.trim().split('\n');
  return (lines.at(-1) ?? '').replace(/^Error:\s*/, '').slice(0, 1_000) || 'it gave no reason';
}

function unavailable(name: string, args: readonly string[], why: string, cause?: unknown): OsaError {
  return new OsaError('unavailable', `${name} ${args.slice(0, 2).join(' ')}: ${why}`, {
    details: { engine: name, command: args[0], code: systemCode(cause) },
    cause,
  });
}

/**
 * Where the engine finds its programs, storage, socket, registries and logins; a database URL or a token of the
 * daemon is not among it.
 */
function engineEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const needed =
    /^(PATH|HOME|USER|LOGNAME|TMPDIR|LANG|LC_.*|XDG_.*|DBUS_SESSION_BUS_ADDRESS|DOCKER_.*|CONTAINERS?_.*|REGISTRY_AUTH_FILE|SSL_CERT_.*|(https?|no|all)_proxy)$/i;
  return chosenEnvironment(environment, needed);
}
