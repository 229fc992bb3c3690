import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type ErrorCode, OsaError } from '../../error.ts';
import type { IncomingRecord } from '../../ingestion/ingestions.ts';
import { type RecordsTask, recordChunks } from '../../ingestion/record-chunks.ts';
import { judgeOutput } from './judge.ts';
import type { Judged, JudgeTask } from './judgement.ts';
import { type RawChunk, type RowsTask, readRows } from './rows.ts';

/** A message to a thread: one task at a time, and `more` for each chunk that was used up. */
export type Task =
  | { readonly kind: 'judge'; readonly task: JudgeTask }
  | { readonly kind: 'rows'; readonly task: RowsTask }
  | { readonly kind: 'records'; readonly task: RecordsTask };
export type Request = Task | { readonly kind: 'more' };

/**
 * A message from a thread: `judged`, or chunks and `done`, or `failed`. Chunks are rows of an output, or records of an
 * upload.
 */
export type Reply =
  | { readonly kind: 'judged'; readonly judged: Judged }
  | { readonly kind: 'chunk'; readonly chunk: RawChunk }
  | { readonly kind: 'records'; readonly records: readonly IncomingRecord[] }
  | { readonly kind: 'done' }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly field: string | undefined;
      readonly details: OsaError['details'];
      readonly stack: string;
    };

/** How a thread of a bundle, which has one file for everything, knows what it is for. */
export const outputThreadData = { osa: 'output' } as const;

/** Whether this thread was started to read outputs. A bundle's main asks first, before it loads anything heavy. */
export function isOutputThread(): boolean {
  const data: unknown = workerData;
  if (isMainThread || typeof data !== 'object' || data === null || !('osa' in data)) return false;
  return data.osa === outputThreadData.osa;
}

/** Serves tasks until the thread is ended from outside. */
export function serveOutputThread(): void {
  const port = parentPort;
  if (!port) throw new OsaError('internal', 'output is read in a thread of its own');
  let credit = new Credit();
  port.on('message', (request: Request) => {
    if (request.kind === 'more') return credit.give();
    credit = new Credit();
    return answer(port, request, credit);
  });
}

async function answer(port: MessagePort, request: Task, credit: Credit): Promise<void> {
  const reply = (message: Reply) => port.postMessage(message);
  try {
    if (request.kind === 'judge') {
      reply({ kind: 'judged', judged: judgeOutput(request.task) });
      return;
    }
    for await (const chunk of chunksOf(request)) {
      await credit.take();
      reply(chunk);
    }
    reply({ kind: 'done' });
  } catch (error) {
    reply(describe(error));
  }
}

async function* chunksOf(request: Exclude<Task, { kind: 'judge' }>): AsyncGenerator<Reply> {
  if (request.kind === 'rows') {
    for (const chunk of readRows(request.task)) yield { kind: 'chunk', chunk };
    return;
  }
  for await (const records of recordChunks(request.task)) yield { kind: 'records', records };
}

function describe(error: unknown): Reply {
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  const { code, field, details } = error instanceof OsaError ? error : unknownError;
  return { kind: 'failed', code, message, field, details, stack };
}

const unknownError = { code: 'internal', field: undefined, details: {} } as const;

/** Chunks that may be sent ahead of their use: the reader makes one while another is on its way into the database. */
class Credit {
  private left = 2;
  private wake: (() => void) | undefined;

  give(): void {
    this.left++;
    this.wake?.();
  }

  async take(): Promise<void> {
    while (this.left === 0) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    this.left--;
  }
}
