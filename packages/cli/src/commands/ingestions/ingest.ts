import { Readable } from 'node:stream';
import { bounds } from '@osa/core/limits';
import { defineCommand } from '../../command.ts';
import type { RequestBody } from '../../http/request.ts';
import { integer } from '../../terminal/parse.ts';
import { exitCodeFor, follow, ingestionLines } from './follow.ts';
import { type Progress, withProgress } from './progress.ts';
import { openRecords, type RecordsFile, unreadable, unusableRecords } from './records-file.ts';

export const ingest = defineCommand({
  description:
    'Takes records in: newline-delimited JSON, one record a line, as {"source_id": "…", "metadata": {…}}. If the file cannot be ' +
    'read to its end, nothing is stored. Then osa waits until the hooks have run over all records, and ' +
    'shows the counts.\n\n' +
    'Exit code: 0 when the ingestion completed, also with records that are invalid, rejected or errored; ' +
    'they are kept with their reasons. 1 when the ingestion failed.',
  arguments: {
    convention: { description: "the convention's slug" },
    file: { description: 'the records, or - for standard input' },
  },
  options: {
    batchSize: {
      value: 'N',
      description: `records in a batch, 1 to ${bounds.batchRecords} (default: ${bounds.defaultBatchRecords})`,
      parse: integer(1, bounds.batchRecords),
    },
    wait: { negated: true, description: 'return as soon as the records are stored' },
  },
  examples: [
    ['osa ingest usgs-earthquakes records.ndjson', 'take a file in, and wait'],
    ['zcat week.ndjson.gz | osa ingest usgs-earthquakes -', 'from another program'],
    ['osa ingest usgs-earthquakes records.ndjson --no-wait', 'only store the records'],
  ],
  json: 'the ingestion: {"id", "status", "records", "invalid", "unchanged", "published", "rejected", "errored",\n"pending", "rows", "batches", "reasons", "started_at", "finished_at", …}',
  async run(context, { arguments: { convention, file }, options }) {
    const { output, signal } = context;
    const client = context.client();
    const source = await openRecords(context, { file, field: 'file' });
    // An unknown convention is told before the upload, which may be long.
    await client.call('showConvention', { params: { slug: convention } });
    const ingestion = await withProgress(output, async (progress) => {
      const opened = await client
        .call('ingest', {
          params: { slug: convention },
          query: { batch_size: options.batchSize },
          upload: watched(source, progress),
        })
        .catch((error: unknown) => {
          throw unusableRecords(source, error);
        });
      return options.wait ? follow(client, opened, { progress, signal }) : opened;
    });
    output.result(ingestion, ingestionLines(ingestion));
    return exitCodeFor(ingestion);
  },
});

/** The same upload, its bytes counted on the way. */
function watched(source: RecordsFile, progress: Progress): RequestBody {
  async function* counted() {
    let sent = 0;
    try {
      for await (const chunk of source.open()) {
        sent += chunk.length;
        progress.uploading(sent, source.size);
        yield chunk;
      }
    } catch (cause) {
      throw unreadable(source, cause);
    }
  }
  return { open: () => Readable.from(counted(), { objectMode: false }), replayable: source.replayable };
}
