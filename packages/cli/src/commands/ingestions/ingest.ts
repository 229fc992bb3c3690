import { FileRequirements } from '@osa/core/convention/convention';
import { bounds } from '@osa/core/limits';
import { defineCommand } from '../../command.ts';
import { openInput } from '../../input/input.ts';
import { inputOptions } from '../../input/options.ts';
import { counted, time } from '../../terminal/format.ts';
import { integer } from '../../terminal/parse.ts';
import { checkLines, checkRecords } from './check.ts';
import { recordsWithFiles } from './files/files.ts';
import { uploadFiles } from './files/upload.ts';
import { followIngestion, ingestionLines, isOpen } from './follow.ts';
import { withProgress } from './progress.ts';
import { failureLines, readFailures } from './reasons.ts';
import { storeRecords } from './store.ts';
import { refuseUnwaited, verdictOf, verdictOptions, type Waited } from './verdict.ts';

export const ingest = defineCommand({
  description:
    'Takes records in from Parquet, and from NDJSON, JSON, CSV and TSV, also packed by gzip or zstd. JSON is {"source_id": "…", "metadata": ' +
    '{…}} for each record, or flat with --id. The columns of a table are the fields of the schema. A file that cannot be ' +
    'read to its end changes nothing.\n\n' +
    'Then it waits until the hooks have run over all records, and shows the counts and the three most frequent reasons of ' +
    'failures.\n\n' +
    'Records that failed are kept with their reasons. The exit code is 1 when no record passed, when the ingestion ' +
    'failed, or when more records failed than --fail-on and --max-failed allow.\n\n' +
    'A record may have files, where the convention takes them: those in --files DIR/<source_id>/, or the paths in its member ' +
    '"files", which begin at DIR or beside the records. Names that begin with a dot are left out. Files that the server ' +
    'has are not sent again, and an upload that broke off goes on.\n\n' +
    'The same upload within a day is not stored twice: the command finds the first ingestion and waits for it. --again ' +
    'stores it anew.',
  arguments: {
    convention: { description: "the convention's slug" },
    file: { description: 'the records; several files are one upload; - is standard input', repeatable: true },
  },
  options: {
    batchSize: {
      value: 'N',
      description: `records in a batch, 1 to ${bounds.batchRecords} (default: ${bounds.defaultBatchRecords})`,
      parse: integer(1, bounds.batchRecords),
    },
    ...inputOptions,
    files: {
      value: 'DIR',
      description: 'the files of records: a directory for each, named as its source_id',
      parse: (given: string) => given,
    },
    check: {
      description: 'check all records against the schema here, and send nothing; exit with 1 for problems',
    },
    ...verdictOptions,
    again: { description: 'store the records although the same upload is stored' },
    wait: { negated: true, description: 'return as soon as the records are stored' },
  },
  examples: [
    ['osa ingest usgs-earthquakes records.ndjson', 'take a file in, and wait'],
    ['osa ingest cars cars.csv --id Name --check', 'look whether a table fits'],
    ["osa ingest cars a.csv b.csv.gz --id Name --map mpg='Miles per gallon'", 'two tables as one upload'],
    ['osa ingest usgs-earthquakes records.ndjson --max-failed 1% --timeout 30m', 'in CI'],
    ['osa ingest structures records.ndjson --files structures/', 'records with files, which are sent once'],
    ['osa ingest usgs-earthquakes records.ndjson --no-wait', 'only store the records'],
  ],
  json:
    'the ingestion: {"id", "status", "records", "invalid", "unchanged", "published", "rejected", "errored",\n' +
    '"pending", "rows", "batches", "reasons", "started_at", "finished_at", …,\n' +
    '"created": false where the same upload was found, "failures": [{"status", "hook", "version", "records", "reason", "run", …}]};\n' +
    'with --check {"ok", "records", "invalid", "compared": ids looked at for one that is there twice, "problems": [{"records", "reason", "examples": [{"source_id", "line", "place": in one of several files}]}], "refused": text or null}',
  async run(context, { arguments: { convention, file }, options }) {
    const { output, signal } = context;
    refuseUnwaited(options);
    const client = context.client();
    // Missing files are reported before the server is asked, and an unknown convention before a long upload.
    const input = await openInput(context, { files: file, field: 'file' }, options);
    const {
      fields,
      schema_id: schema,
      open_text: openText,
      file_requirements: rules,
    } = await client.call('showConvention', {
      params: { slug: convention },
    });
    input.readFor({ fields, openText });
    const wanted = FileRequirements.parse(rules);
    const named = { directory: options.files, from: file, rules: wanted };
    const { source, files } = await recordsWithFiles(context, input, named);
    if (options.check) {
      const pinned = { convention, schema, fields, openText, files: wanted };
      const checked = await withProgress(output, source.isTyped, (progress) =>
        checkRecords(source, pinned, { progress, stop: signal }),
      );
      output.result(checked, checkLines(checked));
      return checked.ok ? 0 : 1;
    }
    const { waited, created } = await withProgress(output, source.isTyped, async (progress) => {
      if (files.length > 0) {
        const { sent } = await uploadFiles(client, { convention, files, progress, signal });
        output.note(
          `${counted(files.length, 'file')} of records: ${sent} sent, ${files.length - sent} stored before`,
        );
      }
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
        waited: await followIngestion(client, stored, {
          progress,
          signal,
          renew: context.client,
          timeoutMs: options.timeout,
        }),
      };
    });
    const { ingestion } = waited;
    const failures = options.wait ? await readFailures(context.client(), ingestion) : undefined;
    output.result({ ...ingestion, created, failures: failures?.items ?? [] }, [
      ...ingestionLines(ingestion),
      ...failureLines(ingestion, failures, source.placeOf),
    ]);
    const { code, why } = verdictOf(waited, options);
    if (why !== undefined) output.note(`exit code ${code}: ${why}`);
    return code;
  },
});
