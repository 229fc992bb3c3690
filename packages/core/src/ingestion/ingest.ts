import type { Answer } from '../api/index.ts';
import { requireScope } from '../auth/scope.ts';
import { unknownConvention } from '../convention/convention.ts';
import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { problemOfStored } from '../file/rules.ts';
import type { OutputThreads } from '../run/output/threads.ts';
import type { Store, Writer, WriteTransaction } from '../store.ts';
import { isFull } from './batches.ts';
import type { IncomingRecord, Pinned } from './ingestions.ts';
import { readRecords, twinRefusal } from './ndjson.ts';
import { recordsInThread } from './record-thread.ts';

/** A complete upload, kept where it can be read more than once. */
export interface Upload {
  readonly sha256: string;
  /** Its open file, which a thread can read. */
  readonly fd?: number;
  open(): AsyncIterable<Uint8Array>;
}

/**
 * Takes in an upload of records in one transaction: all of it is stored and queued, or nothing. Records that
 * break the schema are stored as `invalid` with their reason. With `repeat: 'find'` nothing is stored where the same
 * upload is there already; the answer is its ingestion, with `created: false`.
 *
 * @throws OsaError `not_found` (the convention), `malformed`, `invalid` or `too_large` (a line, with
 * `details.line`; a source twice, with both lines), `access_denied`, `unavailable`.
 */
export async function ingest(
  store: Store,
  writer: Writer,
  request: {
    readonly convention: string;
    readonly batchSize: number;
    readonly upload: Upload;
    readonly repeat?: 'store' | 'find';
    /** Where the lines are read; without them, or without a file, it is here. */
    readonly threads?: OutputThreads;
  },
): Promise<Answer<'ingest'>> {
  requireScope(writer.principal, 'ingestions:write', request.convention);
  const answer = await store.write(writer, async ({ ingestions, event }) => {
    const pinned = await ingestions.pin(request.convention);
    if (!pinned) throw unknownConvention(request.convention);
    const { batchSize, upload, threads } = request;
    const earlier =
      request.repeat === 'find'
        ? await ingestions.findRepeat({ pinned, contentSha256: upload.sha256 })
        : undefined;
    if (earlier !== undefined) return { ...(await ingestions.view(earlier)), created: false };
    const { id } = await ingestions.open({ pinned, batchSize, contentSha256: upload.sha256 });
    const records = await addBatches(
      ingestions,
      { id, pinned, batchSize },
      threads && upload.fd !== undefined
        ? recordsInThread(threads, { fd: upload.fd, pinned })
        : readRecords(upload.open(), pinned),
    );
    if (records === 0) {
      throw new OsaError('invalid', 'the upload holds no record; send one JSON object a line');
    }
    const [twins] = await ingestions.findTwins(id);
    if (twins) throw twinRefusal(twins.sourceId, twins.lines);
    await ingestions.seal(id, pinned.convention);
    await event('ingestion.sealed', { ingestion: id, convention: pinned.convention, records });
    await failpoint('submit.after-events');
    return { ...(await ingestions.view(id)), created: true };
  });
  await failpoint('submit.after-commit');
  return answer;
}

async function addBatches(
  ingestions: WriteTransaction['ingestions'],
  ingestion: { id: string; pinned: Pinned; batchSize: number },
  incoming: AsyncIterable<IncomingRecord>,
): Promise<number> {
  let index = 0;
  let total = 0;
  let lines = new Map<string, number>();
  let batch: IncomingRecord[] = [];
  let bytes = 0;
  const flush = async () => {
    await ingestions.addBatch(ingestion, index++, await withKnownFiles(ingestions, batch));
    total += batch.length;
    batch = [];
    bytes = 0;
    lines = new Map();
  };
  for await (const record of incoming) {
    const earlier = lines.get(record.sourceId);
    if (earlier !== undefined) throw twinRefusal(record.sourceId, [earlier, record.line]);
    lines.set(record.sourceId, record.line);
    batch.push(record);
    bytes += Buffer.byteLength(record.metadata);
    if (isFull(batch.length, bytes, ingestion.batchSize)) await flush();
  }
  if (batch.length > 0) await flush();
  return total;
}

/** A record is invalid when a file that it names is not there for the caller, or is not what the record says. */
async function withKnownFiles(
  ingestions: WriteTransaction['ingestions'],
  batch: readonly IncomingRecord[],
): Promise<readonly IncomingRecord[]> {
  const usable = batch.filter(({ files, problem }) => problem === null && files.length > 0);
  if (usable.length === 0) return batch;
  const digests = new Set(usable.flatMap(({ files }) => files.map(({ sha256 }) => sha256)));
  const stored = await ingestions.knownFiles([...digests]);
  return batch.map((record) =>
    record.problem === null ? { ...record, problem: problemOfStored(record.files, stored) ?? null } : record,
  );
}
