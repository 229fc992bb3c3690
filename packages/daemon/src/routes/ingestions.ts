import { requireScope } from '@osa/core/auth/scope';
import { unknownConvention } from '@osa/core/convention/convention';
import { cancelIngestion, pauseIngestion, resumeIngestion } from '@osa/core/ingestion/control';
import { ingest } from '@osa/core/ingestion/ingest';
import { unknownIngestion } from '@osa/core/ingestion/ingestions';
import { retryIngestion } from '@osa/core/ingestion/retry';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';
import { spool } from '../spool.ts';

type Routes = Pick<
  Handlers,
  | 'ingest'
  | 'listIngestions'
  | 'showIngestion'
  | 'listIngestionRecords'
  | 'retryIngestion'
  | 'pauseIngestion'
  | 'resumeIngestion'
  | 'cancelIngestion'
>;

export interface IngestionParts {
  readonly store: Store;
  /** The same store with connections that may take minutes over an upload. */
  readonly bulk: Store;
  readonly spoolDirectory: string;
  readonly uploadBytes: number;
}

export function ingestionRoutes({ store, bulk, spoolDirectory, uploadBytes }: IngestionParts): Routes {
  const { ingestions, registry } = store;
  return {
    async ingest(call) {
      const { slug } = call.params;
      // Told before gigabytes are sent.
      if (!(await registry.convention(slug))) {
        throw unknownConvention(slug);
      }
      const limits = { directory: spoolDirectory, maxBytes: uploadBytes };
      await using upload = await spool(call.upload(uploadBytes), limits);
      const request = { convention: slug, batchSize: call.query.batch_size, upload };
      return await ingest(bulk, call.writer(upload.sha256), request);
    },
    listIngestions: ({ query, principal }) => {
      // A scope for some conventions shows those one by one, not the list of all.
      if (principal) requireScope(principal, 'ingestions:read');
      return ingestions.list(query);
    },
    async showIngestion({ params: { id }, principal }) {
      const ingestion = found(await ingestions.show(id), id);
      if (principal) requireScope(principal, 'ingestions:read', ingestion.convention_id);
      return ingestion;
    },
    async listIngestionRecords({ params: { id }, query, principal }) {
      const { convention_id } = found(await ingestions.show(id), id);
      if (principal) requireScope(principal, 'ingestions:read', convention_id);
      return found(await ingestions.records(id, query), id);
    },
    retryIngestion: (call) => retryIngestion(bulk, call.writer(), call.params.id),
    pauseIngestion: (call) => pauseIngestion(store, call.writer(), call.params.id, call.body),
    resumeIngestion: (call) => resumeIngestion(store, call.writer(), call.params.id),
    cancelIngestion: (call) => cancelIngestion(bulk, call.writer(), call.params.id, call.body),
  };
}

function found<T>(answer: T | undefined, id: string): T {
  if (answer === undefined) throw unknownIngestion(id);
  return answer;
}
