import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { inputOptions } from '../../input/options.ts';
import { parseImage } from '../../packing/image.ts';
import { integer, text } from '../../terminal/parse.ts';
import { deviationLines, deviations, readExpected } from './trial/expect.ts';
import { trialDocument, trialLines } from './trial/lines.ts';
import { trial } from './trial/run.ts';

/** Rows of one test that are compared. */
const mostCompared = 10_000;

export const hooksTest = defineCommand({
  description:
    'Runs a hook on the records of a file, here and without a server. It uses the runner and the checks ' +
    'of a daemon, and stores nothing. The hook is read from convention.yaml: columns, config, limits and ' +
    'code. --directory and --image run other code. Records that break the schema are reported and ' +
    'skipped, as by a daemon.\n\n' +
    'A directory runs as a process of yours. An image runs in podman or docker, with the options in ' +
    'OSA_ENGINE_OPTIONS. Unlike a daemon, it does not try again with more memory. At most 10,000 records and 64 MiB ' +
    'are read. Files of records come from --files DIR/<source_id>/, or from the paths in the member "files" of a record; ' +
    'the hook sees copies. Exit code: 1 when the hook breaks its contract, a record is errored, or none is valid.\n\n' +
    'With --expect the rows are compared with a file of lines {"id", "values"}, as --json shows rows, or ' +
    '{"id", "status": "rejected"}. Every record is compared, number by number and exactly.',
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
    files: {
      value: 'DIR',
      description:
        'the files of records: a directory for each, named as its source_id, as osa ingest takes them',
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
    expect: {
      value: 'FILE',
      description: 'the rows that must come, as NDJSON; exit code 1 when others come',
      parse: text(4_096),
    },
    log: { description: 'show the log of the hook also when it passed' },
  },
  examples: [
    ['osa hooks test seismic_energy --records records.ndjson', 'the hook in this directory'],
    ['osa hooks test density --records few.ndjson --expect rows.ndjson', 'a test of its values, for CI'],
    ['osa hooks test density --records samples.csv --id sample', 'records of a table'],
    ['osa hooks test chains --records records.ndjson --files files/', 'a hook that reads files of records'],
    [
      'osa hooks test find_pockets --records few.ndjson --image ghcr.io/acme/find_pockets@sha256:…',
      'an image',
    ],
  ],
  json:
    '{"hook", "ok", "failure", "ending", "exit_code", "milliseconds", "records": [{"id", "status", "reason", "rows"}],\n' +
    '"invalid": [{"id", "line", "reason"}], "row_count", "rows": [{"id", "values"}], "strays": [text], "log"}\n' +
    'with --expect also "deviations": [{"id", "expected", "found"}]',
  async run(context, { arguments: { hook }, options }) {
    const {
      records,
      directory,
      image,
      convention = 'convention.yaml',
      limit = 20,
      log,
      expect,
      files,
    } = options;
    if (records === undefined)
      throw new OsaError('usage', '--records: give a file with records, or -', { field: 'records' });
    if (image && directory !== undefined) {
      throw new OsaError('usage', '--image and --directory: give one of them', { field: 'image' });
    }
    const expected = expect === undefined ? undefined : await readExpected(context, expect);
    const tried = await trial(context, {
      ...{ hook, records, convention, files, directory, image, limit: expected ? mostCompared : limit },
      reading: options,
    });
    const shown = { ...tried, rows: tried.rows.slice(0, limit) };
    if (!expected) {
      context.output.result(trialDocument(shown), trialLines(shown, { showLog: log }));
      return tried.ok ? undefined : 1;
    }
    if (tried.rowCount > tried.rows.length) {
      throw new OsaError('too_large', `--expect compares at most ${mostCompared} rows; test fewer records`);
    }
    const found = deviations(tried, expected);
    const failure =
      tried.failure !== null || [...tried.verdicts.values()].some(({ status }) => status === 'errored');
    context.output.result({ ...trialDocument(shown), deviations: found }, [
      ...trialLines(shown, { showLog: log }),
      ...deviationLines(found),
    ]);
    return failure || found.length > 0 ? 1 : undefined;
  },
});
