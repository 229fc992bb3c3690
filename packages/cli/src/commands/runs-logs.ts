import { defineCommand } from '../command.ts';
import { integer } from '../parse.ts';
import { followLog, logLines } from '../run-log.ts';

export const runsLogs = defineCommand({
  description:
    'Shows what the code of a run said on stdout and stderr: of its last start, or of another. Of much text the start and ' +
    'the end are kept. What could act on the terminal is shown escaped.\n\n' +
    'With --follow it shows what comes, start after start, until the run has ended; with --json a document a piece.',
  arguments: { run: { description: "the run's id" } },
  options: {
    attempt: { value: 'N', description: 'of this start', parse: integer(1, 1_000_000) },
    follow: { short: 'f', description: 'go on until the run has ended' },
  },
  examples: [
    ['osa runs logs 0198c0de-…', 'what it said last'],
    ['osa runs logs -f 0198c0de-…', 'as it says it'],
  ],
  json: '{"run", "log"}; with --follow, a line each, {"attempt", "log", "skipped"}',
  async run(context, { arguments: { run: id }, options: { attempt, follow } }) {
    const { output } = context;
    const client = context.client();
    if (follow) return followLog(context, client, { id, attempt: attempt ?? 1 });
    const log = await client.call('runLogs', { params: { id }, query: { attempt } });
    output.result({ run: id, log }, logLines(log));
    return undefined;
  },
});
