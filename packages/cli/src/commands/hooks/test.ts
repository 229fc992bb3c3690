import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { integer, text } from '../../terminal/parse.ts';
import { parseImage } from '../code/image.ts';
import { trialDocument, trialLines } from './trial/lines.ts';
import { trial } from './trial/run.ts';

export const hooksTest = defineCommand({
  description:
    'Runs a hook on records of a file, here and without a server, by the runner and the checks of a daemon; nothing is ' +
    'stored. The hook is that of a convention.yaml: its columns, config, limits, and what it runs unless --directory or ' +
    '--image says otherwise. Records that break the schema are told and left out, as a daemon does.\n\n' +
    'A directory runs as a process of yours, an image in a container of podman or docker, which OSA_ENGINE_OPTIONS are ' +
    'given to; unlike by a daemon it is not started again with more memory. Takes 10,000 records at most, and exits with 1 ' +
    'when the hook breaks its contract, or errors a record.',
  arguments: { hook: { description: 'its name in the file' } },
  options: {
    records: {
      value: 'FILE',
      description: 'NDJSON, as `osa ingest` takes it; - for standard input',
      parse: text(4_096),
    },
    convention: {
      value: 'FILE',
      description: 'the declaration (default: convention.yaml)',
      parse: text(4_096),
    },
    directory: { value: 'DIR', description: 'run this directory', parse: text(4_096) },
    image: { value: 'IMAGE', description: 'run this image, REF@sha256:…', parse: parseImage },
    limit: {
      value: 'N',
      description: 'how many rows to show, 0 to 10000 (default: 20)',
      parse: integer(0, 10_000),
    },
    log: { description: 'show what the hook said, also when all is well' },
  },
  examples: [
    ['osa hooks test seismic_energy --records records.ndjson', 'the hook as it stands here'],
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
    const tried = await trial(context, { hook, records, convention, directory, image, limit });
    context.output.result(trialDocument(tried), trialLines(tried, { showLog: log }));
    return tried.ok ? undefined : 1;
  },
});
