import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { runLines } from './lines.ts';

export const runsShow = defineCommand({
  description:
    'Shows a run: its release, the results of its records, and its attempts. An attempt is one start of ' +
    'the code.',
  arguments: {
    run: { description: "the run's id, as `osa trace` and `osa runs list` show it", parse: storedId },
  },
  examples: [['osa runs show 0198c0de-…', 'its attempts and results']],
  json: '{"id", "hook_name", "version", "status", "reason", "records", "attempts": [{"n", "ending", "memory_bytes", "exit_code", …}], …}',
  async run({ client, output }, { arguments: { run } }) {
    const shown = await client().call('showRun', { params: { id: run } });
    output.result(shown, runLines(shown));
    return undefined;
  },
});
