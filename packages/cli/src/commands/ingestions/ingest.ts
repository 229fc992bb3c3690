import { bounds } from '@osa/core/limits';
import { defineCommand } from '../../command.ts';
import { time } from '../../terminal/format.ts';
import { integer } from '../../terminal/parse.ts';
import { follow, ingestionLines, isOpen } from './follow.ts';
import { withProgress } from './progress.ts';
import { failureLines, readFailures } from './reasons.ts';
import { openRecords } from './records-file.ts';
import { storeRecords } from './store.ts';
import { refuseUnwaited, verdictOf, verdictOptions, type Waited } from './verdict.ts';

export const ingest = defineCommand({
  description:
    'Takes records in: newline-delimited JSON, {"source_id": "…", "metadata": {…}} on each line. A file that cannot ' +
    'be read to its end changes nothing. Then it waits until the hooks have run over all records, and shows the ' +
    'counts and the three most frequent reasons of failures.\n\n' +
    'Records that failed are kept with their reasons. The exit code is 1 when no record passed, when the ingestion ' +
    'failed, or when more records failed than --fail-on and --max-failed allow.\n\n' +
    'The same upload within a day is not stored twice: the command finds the first ingestion and waits for it. --again ' +
    'stores it anew.',
  arguments: {
    convention: { description: "the convention's slug" },
    file: { description: 'the records, or - for standard input' },
  },
  options: {
    batchSize: {
      value: 'N',
      description: `records to a batch, 1 to ${bounds.batchRecords} (default: ${bounds.defaultBatchRecords})`,
      parse: integer(1, bounds.batchRecords),
    },
    ...verdictOptions,
    again: { description: 'store the records although the same upload is stored' },
    wait: { negated: true, description: 'return as soon as the records are stored' },
  },
  examples: [
    ['osa ingest usgs-earthquakes records.ndjson', 'take a file in, and wait'],
    ['zcat week.ndjson.gz | osa ingest usgs-earthquakes -', 'from another program'],
    ['osa ingest usgs-earthquakes records.ndjson --max-failed 1% --timeout 30m', 'in CI'],
    ['osa ingest usgs-earthquakes records.ndjson --no-wait', 'only store the records'],
  ],
  json:
    'the ingestion: {"id", "status", "records", "invalid", "unchanged", "published", "rejected", "errored",\n' +
    '"pending", "rows", "batches", "reasons", "started_at", "finished_at", …,\n' +
    '"created": false where the same upload was found, "failures": [{"status", "hook", "version", "records", "reason", "run", …}]}',
  async run(context, { arguments: { convention, file }, options }) {
    const { output, signal } = context;
    refuseUnwaited(options);
    const client = context.client();
    const source = await openRecords(context, { file, field: 'file' });
    // An unknown convention is told before the upload, which may be long.
    await client.call('showConvention', { params: { slug: convention } });
    const { waited, created } = await withProgress(output, source.isTyped, async (progress) => {
      const request = { convention, batchSize: options.batchSize, again: options.again, progress };
      const { created, ...stored } = await storeRecords(context, client, source, request);
      if (!created) {
        const what = `the same upload is stored since ${time(stored.started_at)}, as ingestion ${stored.id}`;
        const failed = stored.rejected + stored.errored;
        const next =
          isOpen(stored) || failed === 0 ? '' : `; osa ingestions retry ${stored.id} tries again what failed`;
        output.note(`${what}; --again stores it anew${next}`);
      }
      const atOnce: Waited = { ingestion: stored, end: 'done' };
      if (!options.wait || !isOpen(stored)) return { created, waited: atOnce };
      return {
        created,
        waited: await follow(client, stored, { progress, signal, timeoutMs: options.timeout }),
      };
    });
    const { ingestion } = waited;
    const failures = options.wait ? await readFailures(client, ingestion) : undefined;
    output.result({ ...ingestion, created, failures: failures?.items ?? [] }, [
      ...ingestionLines(ingestion),
      ...failureLines(ingestion, failures),
    ]);
    const { code, why } = verdictOf(waited, options);
    if (why !== undefined) output.note(`exit code ${code}: ${why}`);
    return code;
  },
});
