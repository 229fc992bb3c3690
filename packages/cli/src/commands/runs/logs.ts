import { defineCommand } from '../../command.ts';
import { integer, storedId } from '../../terminal/parse.ts';
import { chosenRun, chosenRunOptions } from './chosen-run.ts';
import { followLog, logLines } from './log.ts';

export const runsLogs = defineCommand({
  description:
    'Shows the log of a run: what its code wrote to stdout and stderr. By default of the last attempt. ' +
    'Only the start and the end of a long log are kept. Control characters are shown escaped.\n\n' +
    'With --follow it shows new output of all attempts until the run ends; with --json it prints one ' +
    'document a piece.',
  arguments: { run: { description: "the run's id", optional: true, parse: storedId } },
  options: {
    ...chosenRunOptions,
    attempt: {
      value: 'N',
      description: 'show this attempt (default: the last)',
      parse: integer(1, 1_000_000),
    },
    follow: { short: 'f', description: 'follow the log until the run ends' },
  },
  examples: [
    ['osa runs logs 0198c0de-…', 'the log of the last attempt'],
    ['osa runs logs --last --failed', 'the log of the run that failed last'],
    ['osa runs logs -f 0198c0de-…', 'while it is written'],
  ],
  json: '{"run", "log"}; with --follow, a line each, {"attempt", "log", "skipped"}',
  async run(context, { arguments: given, options: { attempt, follow, ...choice } }) {
    const { output } = context;
    const client = context.client();
    const run = await chosenRun(client, given.run, choice);
    if (follow) return followLog(context, client, { id: run, attempt: attempt ?? 1 });
    const log = await client.call('runLogs', { params: { id: run }, query: { attempt } });
    const text = Buffer.from(log).toString('utf8');
    if (text === '') output.note('the code has written nothing to stdout and stderr');
    output.result({ run, log: text }, logLines(text));
    return undefined;
  },
});
