import { execa } from 'execa';
import { chosenEnvironment } from './environment.ts';
import { systemCode } from './error.ts';

/**
 * The only way in which git is asked. A repository may be hostile: its configuration can name programs that git runs
 * when it compares files, and a directory in it can be a repository of its own. So git only reads objects, names and
 * the index here. Commands that look at the contents of files (`status`, `diff`, `add`, `archive`) run filters, and
 * are not used; we compare contents ourselves.
 */

export interface GitAnswer {
  readonly ok: boolean;
  readonly stdout: Buffer;
  /** Git's complaint: its first line. Empty when it had none. */
  readonly said: string;
}

export type Git = (...args: readonly string[]) => Promise<GitAnswer>;

const timeoutMs = 20_000;
const maxOutputBytes = 64 * 1024 * 1024;

const settings = [
  // A directory of the working tree that is itself a repository is not asked.
  'safe.bareRepository=explicit',
  'core.fsmonitor=false',
  'core.untrackedCache=false',
  'core.hooksPath=/dev/null',
  'core.sshCommand=false',
  'core.askPass=false',
  'core.pager=cat',
  'credential.helper=',
  'protocol.allow=never',
  'submodule.recurse=false',
].flatMap((setting) => ['-c', setting]);

/** Where git finds itself and its user's settings, among them `safe.directory` and `url.<base>.insteadOf`. */
const needed = /^(PATH|HOME|XDG_CONFIG_HOME|SUDO_UID|TMPDIR|USERPROFILE|SYSTEMROOT)$/i;

const own = {
  LC_ALL: 'C',
  // Objects that another repository or a replacement offers are not those of the commit.
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  // No transport at all, also for a git that does not know the line above.
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  GIT_PAGER: 'cat',
};

/** Git in a directory. Only `environment`'s PATH, home and the like reach it; nothing of `GIT_*` or `OSA_*` does. */
export function gitIn(directory: string, environment: NodeJS.ProcessEnv): Git {
  const env = { ...chosenEnvironment(environment, needed), ...own };
  return async (...args) => {
    const result = await execa('git', [...settings, '--literal-pathspecs', '-C', directory, ...args], {
      env,
      extendEnv: false,
      stdin: 'ignore',
      encoding: 'buffer',
      stripFinalNewline: false,
      timeout: timeoutMs,
      forceKillAfterDelay: 1_000,
      maxBuffer: maxOutputBytes,
      reject: false,
    });
    const { failed, stdout, stderr } = result;
    return { ok: !failed, stdout: Buffer.from(stdout ?? []), said: failed ? saidBy(result, stderr) : '' };
  };
}

interface Failed {
  readonly timedOut: boolean;
  readonly isMaxBuffer: boolean;
  readonly cause?: unknown;
}

function saidBy({ timedOut, isMaxBuffer, cause }: Failed, stderr: Uint8Array | undefined): string {
  if (systemCode(cause) === 'ENOENT') return 'git is not installed';
  if (timedOut) return `git did not answer within ${timeoutMs / 1_000} s`;
  if (isMaxBuffer) return `git answered with more than ${maxOutputBytes} bytes`;
  const lines = Buffer.from(stderr ?? [])
    .toString('utf8')
    .split('\n');
  const line = lines.find((text) => /^(?:fatal|error): /.test(text)) ?? lines[0] ?? '';
  return line.replace(/^(?:fatal|error): /, '').slice(0, 500) || 'git failed';
}
