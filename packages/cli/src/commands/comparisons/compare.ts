import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { type Context, defineCommand } from '../../command.ts';
import { beyondExit, waitExits } from '../../exit.ts';
import { integer, milliseconds, releaseVersion, text } from '../../terminal/parse.ts';
import { append } from '../deploy/github.ts';
import { versionArgument } from '../hooks/move-pointer.ts';
import { readSrns } from '../recomputes/srns.ts';
import { type Comparison, changedText, isBeyond, reportLines, reportMarkdown } from './report.ts';
import { byColumn, percentOf, toleranceOf } from './tolerance.ts';
import { untilDone } from './until-done.ts';

const defaultSample = 500;

export const hooksCompare = defineCommand({
  description:
    'Runs a release, live or not, over published records and reports what differs from their current rows: ' +
    'outcomes, rows, and for each column how many values differ and by how much. It stores the report and nothing ' +
    `else. By default it draws ${defaultSample} records by --seed, so that two runs see the same ones.\n\n` +
    'With --max-changed it exits with 3 when more records changed. A record has changed when its outcome, its ' +
    'number of rows, or a value beyond its --tolerance differs. Under GitHub Actions the job gets a summary.',
  arguments: {
    hook: { description: "the hook's name" },
    version: { description: 'the version of the release to run' },
  },
  options: {
    against: { value: 'N', description: 'compare with the rows of this release', parse: releaseVersion },
    sample: {
      value: 'N',
      description: `how many records to draw (${defaultSample})`,
      parse: integer(1, bounds.comparedRecords),
    },
    all: { description: `all records, ${bounds.comparedRecords} at most` },
    records: { value: 'FILE', description: 'the records of a file: one SRN a line', parse: text(4_000) },
    convention: { value: 'SLUG', description: 'only records of this convention', parse: text(200) },
    seed: { value: 'TEXT', description: 'draws other records (osa)', parse: text(200) },
    tolerance: {
      value: 'COLUMN=N|P%|any',
      description: 'how far values of a column may be apart; may be given again',
      parse: toleranceOf,
      repeatable: true,
    },
    key: {
      value: 'COLUMN',
      description: 'match the rows of a record by this column, not by their order; may be given again',
      parse: text(63),
      repeatable: true,
    },
    maxChanged: {
      value: 'P%',
      description: 'exit with 3 when more of the records changed',
      parse: percentOf,
    },
    timeout: {
      value: 'TIME',
      description: 'wait no longer than this, such as 90s, 15m or 2h',
      parse: milliseconds,
    },
  },
  examples: [
    ['osa hooks compare seismic_energy 3 --max-changed 1%', 'v3 with the current rows, as a gate in CI'],
    ['osa hooks compare seismic_energy 3 --tolerance energy_j=0.1% --all', 'all records, within a tolerance'],
    ['osa hooks compare seismic_energy 2 --against 1 --sample 100 --seed b', 'v2 with the rows of v1'],
  ],
  json: '{"id", "hook_name", "version", "against", "seed", "sample", "status", "report": {"records", "changed_records", "outcomes", "rows", "columns", "examples"}, …}',
  async run(context, { arguments: given, options }) {
    const { sample, all, records } = options;
    if ([sample !== undefined, all, records !== undefined].filter(Boolean).length > 1) {
      throw new OsaError('usage', '--sample, --all and --records: give one of them', { field: 'sample' });
    }
    const client = context.client();
    const drawn = all || records !== undefined ? undefined : (sample ?? defaultSample);
    const body = {
      version: versionArgument('version', given.version),
      ...(options.against !== undefined && { against: options.against }),
      ...(options.convention !== undefined && { convention: options.convention }),
      ...(options.seed !== undefined && { seed: options.seed }),
      ...(drawn !== undefined && { sample: drawn }),
      ...(records !== undefined && { records: await readSrns(context, records) }),
      tolerances: byColumn(options.tolerance),
      keys: [...options.key],
    };
    const begun = await client.call('compare', { params: { name: given.hook }, body });
    const scopes = [`hooks:write:${given.hook}`];
    const done = await untilDone(context, client, begun.id, { timeoutMs: options.timeout, scopes });
    return conclude(context, done, options.maxChanged);
  },
});

/** Shows how a comparison ended, to people and to the job; the number is the exit code. */
async function conclude(
  context: Context,
  comparison: Comparison,
  maxChanged: number | undefined,
): Promise<number | undefined> {
  const { output } = context;
  const { id, report, status, problem } = comparison;
  if (!report) {
    output.result(comparison, [problem ?? `comparison ${id} is ${status}; the time to wait is over`]);
    return status === 'failed' ? 1 : waitExits.timeout;
  }
  output.result(comparison, reportLines(comparison, report, maxChanged));
  await append(context, 'summary', `${reportMarkdown(comparison, report, maxChanged)}\n`);
  if (report.records === 0) {
    output.note('no record was compared: the hook has no current rows of such records');
    return 1;
  }
  if (!isBeyond(report, maxChanged)) return undefined;
  output.note(`exit code ${beyondExit}: ${changedText(report)} changed (--max-changed ${maxChanged}%)`);
  return beyondExit;
}
