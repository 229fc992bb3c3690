import { Readable } from 'node:stream';
import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import type { RequestBody } from '../../http/request.ts';
import type { RecordsInput } from '../../input/input.ts';
import type { Progress } from './progress.ts';
import { placed, unreadable, unusableRecords } from './records-file.ts';

/** How long an interrupted command waits for the id of an upload that is complete. Milliseconds. */
const idPatienceMs = 30_000;

export interface Storing {
  readonly convention: string;
  readonly batchSize: number | undefined;
  /** Store the records although the same upload is there. */
  readonly again: boolean;
}

/**
 * Uploads the records. An upload that is complete may be stored whatever becomes of its answer, so an interruption then
 * waits for the id, and each failure says how to find it.
 *
 * @throws OsaError `interrupted`, with the ingestion's id in `details.id` where it is known; `usage` for a bad file
 */
export async function storeRecords(
  { output, signal }: Pick<Context, 'output' | 'signal'>,
  client: Client,
  source: RecordsInput,
  { convention, batchSize, again, progress }: Storing & { readonly progress: Progress },
): Promise<Answer<'ingest'>> {
  const sending = new AbortController();
  const state = { complete: false };
  const interrupt = () => {
    if (!state.complete) return sending.abort();
    output.note(
      'the upload is complete and may be stored: waiting for its id (interrupt again to leave at once)',
    );
    setTimeout(() => sending.abort(), idPatienceMs).unref();
  };
  if (signal.aborted) interrupt();
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    const stored = await client.call('ingest', {
      params: { slug: convention },
      query: { batch_size: batchSize, repeat: again ? 'store' : 'find' },
      upload: watched(source, progress, state),
      signal: sending.signal,
    });
    if (!signal.aborted) return stored;
    const message = `interrupted; the ingestion is stored and goes on: osa ingestions show ${stored.id}`;
    throw new OsaError('interrupted', message, { details: { id: stored.id } });
  } catch (error) {
    throw unusableRecords(source, placed(source, state.complete ? maybeStored(error) : error));
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

/** The same upload, its bytes counted on the way. */
function watched(source: RecordsInput, progress: Progress, state: { complete: boolean }): RequestBody {
  async function* counted() {
    let sent = 0;
    state.complete = false;
    try {
      for await (const chunk of source.open()) {
        sent += chunk.length;
        const { bytes, total } = source.read();
        progress.uploading(sent, undefined, total && bytes / total);
        yield chunk;
      }
    } catch (cause) {
      throw unreadable(source, cause);
    }
    state.complete = true;
    progress.checking(sent);
  }
  return { open: () => Readable.from(counted(), { objectMode: false }), replayable: source.replayable };
}

/** Adds the next step where the answer to a complete upload did not come. */
function maybeStored(error: unknown): unknown {
  const known = asOsaError(error);
  if (!known || 'id' in known.details) return error;
  const { code, message, field, details } = known;
  if (code !== 'interrupted' && code !== 'unreachable' && code !== 'unavailable') return error;
  const advice =
    'the upload was complete and may be stored: `osa ingestions list` shows it, and the same command finds it again';
  return new OsaError(code, `${message}; ${advice}`, { field, details, cause: known });
}
