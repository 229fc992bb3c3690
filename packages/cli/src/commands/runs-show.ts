import { defineCommand } from '../command.ts';
import { runLines } from '../run-lines.ts';

export const runsShow = defineCommand({
  description: 'Shows a run: its release, what it made of its records, and each attempt.',
  arguments: { run: { description: "the run's id, as `osa trace` and `osa runs list` show it" } },
  examples: [['osa runs show 0198c0de-…', 'how it went']],
  json: '{"id", "hook_name", "version", "status", "reason", "records", "attempts": [{"n", "outcome", "memory_bytes", "exit_code", …}], …}',
  async run({ client, output }, { arguments: { run: id } }) {
    const run = await client().call('showRun', { params: { id } });
    output.result(run, runLines(run));
    return undefined;
  },
});
