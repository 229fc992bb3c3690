import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { chosenRun, chosenRunOptions } from './chosen-run.ts';
import { runLines } from './lines.ts';

export const runsShow = defineCommand({
  description:
    'Shows a run: its release, the results of its records, and its attempts. An attempt is one start of ' +
    'the code.',
  arguments: {
    run: {
      description: "the run's id, as `osa trace` and `osa runs list` show it",
      optional: true,
      parse: storedId,
    },
  },
  options: chosenRunOptions,
  examples: [
    ['osa runs show 0198c0de-…', 'its attempts and results'],
    ['osa runs show --last --failed', 'the run that failed last'],
  ],
  json: '{"id", "hook_name", "version", "status", "reason", "records", "attempts": [{"n", "ending", "memory_bytes", "exit_code", …}], …}',
  async run({ client, output }, { arguments: given, options }) {
    const archive = client();
    const run = await chosenRun(archive, given.run, options);
    const shown = await archive.call('showRun', { params: { id: run } });
    output.result(shown, runLines(shown));
    return undefined;
  },
});
