import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { inputOptions } from '../../input/options.ts';
import { integer, text } from '../../terminal/parse.ts';
import { parseImage } from '../code/image.ts';
import { trialDocument, trialLines } from './trial/lines.ts';
import { trial } from './trial/run.ts';

export const hooksTest = defineCommand({
  description:
    'Runs a hook on the records of a file, here and without a server. It uses the runner and the checks ' +
    'of a daemon, and stores nothing. The hook is read from convention.yaml: columns, config, limits and ' +
    'code. --directory and --image run other code. Records that break the schema are reported and ' +
    'skipped, as by a daemon.\n\n' +
    'A directory runs as a process of yours. An image runs in podman or docker, with the options in ' +
    'OSA_ENGINE_OPTIONS. Unlike a daemon, it does not try again with more memory. At most 10,000 records ' +
    'are read. Exit code: 1 when the hook breaks its contract, a record is errored, or none is valid.',
  arguments: { hook: { description: 'name of the hook in the file' } },
  options: {
    records: {
      value: 'FILE',
      description: 'the records, in each format that osa ingest reads; - is standard input',
      parse: text(4_096),
    },
    ...inputOptions,
    convention: {
      value: 'FILE',
      description: 'the file with the hook (default: convention.yaml)',
      parse: text(4_096),
    },
    directory: { value: 'DIR', description: 'run this directory', parse: text(4_096) },
    image: { value: 'IMAGE', description: 'run this image, REF@sha256:…', parse: parseImage },
    limit: {
      short: 'n',
      value: 'N',
      description: 'rows to show, 0 to 10000 (default: 20)',
      parse: integer(0, 10_000),
    },
    log: { description: 'show the log of the hook also when it passed' },
  },
  examples: [
    ['osa hooks test seismic_energy --records records.ndjson', 'the hook in this directory'],
    ['osa hooks test density --records samples.csv --id sample', 'records of a table'],
    [
      'osa hooks test find_pockets --records few.ndjson --image ghcr.io/acme/find_pockets@sha256:…',
      'an image',
    ],
  ],
  json:
    '{"hook", "ok", "failure", "ending", "exit_code", "milliseconds", "records": [{"id", "status", "reason", "rows"}],\n' +
    '"invalid": [{"id", "line", "reason"}], "row_count", "rows": [{"id", "values"}], "strays": [text], "log"}',
  async run(context, { arguments: { hook }, options }) {
    const { records, directory, image, convention = 'convention.yaml', limit = 20, log } = options;
    if (records === undefined)
      throw new OsaError('usage', '--records: give a file with records, or -', { field: 'records' });
    if (image && directory !== undefined) {
      throw new OsaError('usage', '--image and --directory: give one of them', { field: 'image' });
    }
    const tried = await trial(context, {
      ...{ hook, records, convention, directory, image, limit },
      reading: options,
    });
    context.output.result(trialDocument(tried), trialLines(tried, { showLog: log }));
    return tried.ok ? undefined : 1;
  },
});
