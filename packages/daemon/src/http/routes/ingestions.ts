import { unknownConvention } from '@osa/core/convention/convention';
import { cancelIngestion, pauseIngestion, resumeIngestion } from '@osa/core/ingestion/control';
import { ingest } from '@osa/core/ingestion/ingest';
import {
  listIngestionFailures,
  listIngestionRecords,
  listIngestions,
  showIngestion,
} from '@osa/core/ingestion/read';
import { retryIngestion } from '@osa/core/ingestion/retry';
import type { OutputThreads } from '@osa/core/run/output/threads';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';
import { spool } from '../spool.ts';

type Routes = Pick<
  Handlers,
  | 'ingest'
  | 'listIngestions'
  | 'showIngestion'
  | 'listIngestionRecords'
  | 'listIngestionFailures'
  | 'retryIngestion'
  | 'pauseIngestion'
  | 'resumeIngestion'
  | 'cancelIngestion'
>;

export interface IngestionParts {
  readonly store: Store;
  /** The same store with connections that may take minutes over an upload. */
  readonly bulk: Store;
  /** Uploads are read in these. */
  readonly threads: OutputThreads;
  /** The same store with connections for cancellations. */
  readonly cancelling: Store;
  readonly spoolDirectory: string;
  readonly uploadBytes: number;
}

export function ingestionRoutes(parts: IngestionParts): Routes {
  const { store, bulk, cancelling, threads, spoolDirectory, uploadBytes } = parts;
  return {
    async ingest(call) {
      const { slug } = call.params;
      // Told before gigabytes are sent.
      if (!(await store.registry.convention(slug))) {
        throw unknownConvention(slug);
      }
      const limits = { directory: spoolDirectory, maxBytes: uploadBytes };
      await using upload = await spool(call.upload(uploadBytes), limits);
      const { batch_size: batchSize, repeat } = call.query;
      const request = { convention: slug, batchSize, upload, repeat, threads };
      return await ingest(bulk, call.writer(upload.sha256), request);
    },
    listIngestions: (call) => listIngestions(store, call.caller().principal, call.query),
    showIngestion: (call) => showIngestion(store, call.caller().principal, call.params.id),
    listIngestionRecords: (call) =>
      listIngestionRecords(store, call.caller().principal, { ...call.params, ...call.query }),
    listIngestionFailures: (call) =>
      listIngestionFailures(store, call.caller().principal, { ...call.params, ...call.query }),
    retryIngestion: (call) => retryIngestion(bulk, call.writer(), call.params.id),
    pauseIngestion: (call) => pauseIngestion(store, call.writer(), call.params.id, call.body),
    resumeIngestion: (call) => resumeIngestion(store, call.writer(), call.params.id),
    cancelIngestion: (call) => cancelIngestion(cancelling, call.writer(), call.params.id, call.body),
  };
}
