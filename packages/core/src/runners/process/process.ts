import { constants } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { OsaError } from '../../error.ts';
import { unpack } from '../../hook/archive/unpack.ts';
import { bounds } from '../../limits.ts';
import type { Ended, Runner, Task } from '../../run/runner.ts';
import type { BlobStore } from '../../storage/index.ts';
import { asUnavailable, systemCode } from '../../system/error.ts';
import { type AttemptDirectory, removeAttempt, removeTree, stage } from '../shared/directory.ts';
import { endAll, startOf } from './processes.ts';
import { leaderFile, supervise } from './supervise.ts';

/**
 * Runs packed directories as ordinary processes of the daemon's own user, for development: the code can do what
 * that user can. The limits on memory and cpu are not enforced, so no attempt ends as `out_of_memory`; the time
 * limit is. Each attempt unpacks the code afresh and refuses it when its digest is not the release's.
 *
 * The code sees PATH, LANG, HOME and TMPDIR (its own temporary directory), OSA_IN, OSA_OUT, OSA_FILES and
 * OSA_HOOK_NAME, and nothing else of `environment`.
 */
export function processRunner({ blobs, environment }: ProcessRunnerParts): Runner {
  return {
    name: 'process',
    runtimes: ['directory'],
    run: (task, signal) =>
      run(task, { blobs, path: environment.PATH ?? '/usr/local/bin:/usr/bin:/bin', signal }),
    sweep,
  };
}

export interface ProcessRunnerParts {
  readonly blobs: BlobStore;
  /** Where PATH is taken from. */
  readonly environment: NodeJS.ProcessEnv;
}

interface Means {
  readonly blobs: BlobStore;
  readonly path: string;
  readonly signal: AbortSignal;
}

async function run(task: Task, { blobs, path, signal }: Means): Promise<Ended> {
  const command = commandOf(task);
  let attempt: AttemptDirectory | undefined;
  try {
    const staged = await stage(task);
    attempt = staged;
    const { code, output } = staged;
    const resolvedDigest = await unpackCode(task, blobs, code);
    signal.throwIfAborted();
    const ended = await supervise({
      command,
      attempt: staged,
      environment: environmentOf(task, staged, path),
      timeoutMs: task.release.limits.timeout_seconds * 1000,
      signal,
      onLog: task.onLog,
    });
    return { ...ended, resolvedDigest, outputDirectory: output, dispose: () => removeAttempt(staged) };
  } catch (error) {
    if (attempt !== undefined) await removeTree(attempt.root);
    throw asUnavailable(error, `Starting hook ${task.hook}`);
  }
}

function commandOf({ release }: Task): readonly string[] {
  if (release.runtime !== 'directory') {
    throw new OsaError(
      'invalid',
      `The process runner runs directories, not the runtime "${release.runtime}"`,
      {
        field: 'release.runtime',
      },
    );
  }
  if (release.command === null || release.command.length === 0) {
    throw new OsaError('invalid', 'The release has no command; give it one, such as [node, hook.mjs]', {
      field: 'release.command',
    });
  }
  return release.command;
}

async function unpackCode({ release }: Task, blobs: BlobStore, directory: string): Promise<string> {
  const source = await blobs.open(release.digest.replace(/^sha256:/, ''));
  const { digest } = await unpack(source, directory, {
    maxBytes: bounds.blobBytes,
    maxFiles: bounds.blobFiles,
  });
  if (digest === release.digest) return digest;
  throw new OsaError(
    'invalid',
    `The stored code hashes to ${digest}, but the release is ${release.digest}; deploy it again`,
    {
      field: 'release.digest',
      details: { expected: release.digest, found: digest },
    },
  );
}

function environmentOf(task: Task, attempt: AttemptDirectory, path: string): Record<string, string> {
  return {
    PATH: path,
    LANG: 'C.UTF-8',
    HOME: attempt.temporary,
    TMPDIR: attempt.temporary,
    OSA_IN: attempt.input,
    OSA_OUT: attempt.output,
    OSA_FILES: attempt.files,
    OSA_HOOK_NAME: task.hook,
  };
}

/**
 * The daemon may have died at any point. A leader that is named and has not been replaced by another process of
 * its pid is killed with its group. On Linux, so is every process that was started for the workspace or is in it.
 */
async function sweep(workspace: string): Promise<number> {
  const root = await realpath(workspace);
  let ended = 0;
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const directory = join(root, entry.name);
    const group = await livingLeader(join(directory, leaderFile));
    ended += group === undefined ? 0 : 1;
    await endAll({ directory, group });
  }
  await endAll({ directory: root, group: undefined });
  return ended;
}

/** The code could write the file too, so nothing in it is trusted but the pid of a process that started just then. */
async function livingLeader(path: string): Promise<number | undefined> {
  const [, pid, start] = /^\{"pid":(\d{1,10}),"start":"([^"]*)"\}$/.exec(await readSmall(path)) ?? [];
  return pid !== undefined && Number(pid) > 1 && startOf(Number(pid)) === start ? Number(pid) : undefined;
}

async function readSmall(path: string): Promise<string> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'EISDIR', 'ENXIO', 'ESPIPE', 'EACCES'].includes(systemCode(error) ?? ''))
      return '';
    throw error;
  }
}
