import { defineCommand } from '../../command.ts';
import { integer, storedId } from '../../terminal/parse.ts';
import { chosenRun, chosenRunOptions } from './chosen-run.ts';
import { followLog, logLines } from './log.ts';

export const runsLogs = defineCommand({
  description:
    'Shows what the code of a run said on stdout and stderr: of its last attempt, or of another. Of much text the start and ' +
    'the end are kept. What could act on the terminal is shown escaped.\n\n' +
    'With --follow it shows what comes, attempt after attempt, until the run has ended; with --json a document a piece.',
  arguments: { run: { description: "the run's id", optional: true, parse: storedId } },
  options: {
    ...chosenRunOptions,
    attempt: { value: 'N', description: 'of this attempt', parse: integer(1, 1_000_000) },
    follow: { short: 'f', description: 'go on until the run has ended' },
  },
  examples: [
    ['osa runs logs 0198c0de-…', 'what it said last'],
    ['osa runs logs --last --failed', 'what the run said that failed last'],
    ['osa runs logs -f 0198c0de-…', 'as it says it'],
  ],
  json: '{"run", "log"}; with --follow, a line each, {"attempt", "log", "skipped"}',
  async run(context, { arguments: given, options: { attempt, follow, ...choice } }) {
    const { output } = context;
    const client = context.client();
    const run = await chosenRun(client, given.run, choice);
    if (follow) return followLog(context, client, { id: run, attempt: attempt ?? 1 });
    const log = await client.call('runLogs', { params: { id: run }, query: { attempt } });
    output.result({ run, log }, logLines(log));
    return undefined;
  },
});
