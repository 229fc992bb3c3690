import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { runLines } from './lines.ts';

export const runsShow = defineCommand({
  description:
    'Shows a run: its release, what it made of its records, and each attempt, which is a start of its code.',
  arguments: {
    run: { description: "the run's id, as `osa trace` and `osa runs list` show it", parse: storedId },
  },
  examples: [['osa runs show 0198c0de-…', 'how it went']],
  json: '{"id", "hook_name", "version", "status", "reason", "records", "attempts": [{"n", "ending", "memory_bytes", "exit_code", …}], …}',
  async run({ client, output }, { arguments: { run } }) {
    const shown = await client().call('showRun', { params: { id: run } });
    output.result(shown, runLines(shown));
    return undefined;
  },
});
