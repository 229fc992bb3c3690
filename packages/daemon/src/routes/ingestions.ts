import { OsaError } from '@osa/core/error';
import { ingest } from '@osa/core/ingestion/ingest';
import { retryIngestion } from '@osa/core/ingestion/retry';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';
import { spool } from '../spool.ts';

type Routes = Pick<
  Handlers,
  'ingest' | 'listIngestions' | 'showIngestion' | 'listIngestionRecords' | 'retryIngestion'
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
        throw new OsaError('not_found', `no convention is named ${slug}; deploy it first`, { field: 'slug' });
      }
      const limits = { directory: spoolDirectory, maxBytes: uploadBytes };
      await using upload = await spool(call.upload(uploadBytes), limits);
      const request = { convention: slug, batchSize: call.query.batch_size, upload };
      return await ingest(bulk, call.writer(upload.sha256), request);
    },
    listIngestions: ({ query }) => ingestions.list(query),
    showIngestion: async ({ params: { id } }) => found(await ingestions.show(id), id),
    listIngestionRecords: async ({ params: { id }, query }) => found(await ingestions.records(id, query), id),
    retryIngestion: (call) => retryIngestion(store, call.writer(), call.params.id),
  };
}

function found<T>(answer: T | undefined, id: string): T {
  if (answer === undefined) throw new OsaError('not_found', `no ingestion has the id ${id}`, { field: 'id' });
  return answer;
}
