import { on } from 'node:events';
import { getAsset, isSea } from 'node:sea';
import { Worker } from 'node:worker_threads';
import { OsaError } from '../../error.ts';
import { outputThreadData, type Reply, type Request, type Task } from './thread.ts';

/**
 * Threads in which outputs and uploads are read: starting one takes some 30 ms, so who reads many outputs keeps a few.
 * Their maker ends them.
 */
export interface OutputThreads extends AsyncDisposable {
  take(): Worker;
  /** For a thread that has ended its task. */
  giveBack(worker: Worker): void;
}

/**
 * At most `idle` threads wait for their next task; beyond that, each ends with its task. `entry` is the file of a bundle
 * that asks `isOutputThread` first of all; without one it is the file that this module is bundled into.
 */
export function outputThreads({
  idle,
  entry,
}: {
  readonly idle: number;
  readonly entry?: URL;
}): OutputThreads {
  const waiting = new Set<Worker>();
  return {
    take() {
      const [worker] = waiting;
      if (!worker) return startWorker(entry, (gone) => waiting.delete(gone));
      waiting.delete(worker);
      worker.ref();
      return worker;
    },
    giveBack(worker) {
      worker.unref();
      if (waiting.size < idle) waiting.add(worker);
      else void worker.terminate();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...waiting].map((worker) => worker.terminate()));
      waiting.clear();
    },
  };
}

/**
 * Gives a task to a thread and yields its replies; a chunk is used up when the next reply is asked for. Whatever
 * ends it, the thread is given back, or ended when it was in the middle of its task.
 *
 * @throws OsaError that the thread met, or `internal` when the thread dies; the signal's reason, if it is an
 * OsaError, or `interrupted`.
 */
export async function* converse(
  threads: OutputThreads,
  task: Task,
  signal: AbortSignal | undefined,
): AsyncGenerator<Exclude<Reply, { kind: 'failed' }>, void> {
  if (signal?.aborted) throw stopped(signal);
  const worker = threads.take();
  const send = (request: Request) => worker.postMessage(request);
  let ended = false;
  try {
    send(task);
    for await (const reply of replies(worker, signal)) {
      ended = reply.kind !== 'chunk' && reply.kind !== 'records';
      if (reply.kind === 'failed') throw failed(reply);
      yield reply;
      if (ended) return;
      send({ kind: 'more' });
    }
    throw new OsaError('internal', 'the thread that read the output of a hook ended early');
  } catch (error) {
    if (signal?.aborted) throw stopped(signal);
    if (error instanceof OsaError) throw error;
    throw new OsaError('internal', 'the thread that read the output of a hook died', { cause: error });
  } finally {
    if (ended) threads.giveBack(worker);
    else await worker.terminate();
  }
}

async function* replies(worker: Worker, signal: AbortSignal | undefined): AsyncGenerator<Reply, void> {
  const messages = on(worker, 'message', { close: ['exit'], ...(signal && { signal }) });
  for await (const [reply] of messages) yield reply;
}

function startWorker(entry: URL | undefined, onGone: (worker: Worker) => void): Worker {
  const worker = new Worker(codeOfThread(entry), {
    name: 'osa output',
    eval: isSea(),
    workerData: outputThreadData,
    env: {},
    execArgv: [],
    // Room for young objects is kept until the thread ends; more of it makes reading no faster.
    resourceLimits: { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
  });
  const gone = () => onGone(worker);
  return worker.on('error', gone).on('exit', gone);
}

/** The file that a thread starts from. A single executable holds its text instead (scripts/build-executable.ts). */
function codeOfThread(entry: URL | undefined): URL | string {
  if (isSea()) return getAsset('output-thread.cjs', 'utf8');
  const isSource = import.meta.url.endsWith('.ts');
  return isSource ? new URL('./thread-main.ts', import.meta.url) : (entry ?? new URL('', import.meta.url));
}

function failed({ code, message, field, details, stack }: Extract<Reply, { kind: 'failed' }>): OsaError {
  const cause = new Error(message);
  cause.stack = stack;
  return new OsaError(code, message, { field, details, cause });
}

function stopped(signal: AbortSignal): OsaError {
  const reason: unknown = signal.reason;
  if (reason instanceof OsaError) return reason;
  return new OsaError('interrupted', 'reading the output of a hook was stopped', { cause: reason });
}
