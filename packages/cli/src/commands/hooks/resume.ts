import { defineCommand } from '../../command.ts';
import { hookPauseLines } from '../pause.ts';

export const hooksResume = defineCommand({
  description:
    'Ends the pause of a hook. Batches that were never claimed run under the releases that are live when they are; others ' +
    'under those that were live when they were.',
  arguments: { hook: { description: "the hook's name" } },
  examples: [['osa hooks resume seismic_energy', 'batches are claimed again']],
  json: '{"hook_name", "changed", "paused": null}',
  async run({ client, output }, { arguments: { hook } }) {
    const answer = await client().call('resumeHook', { params: { name: hook }, body: {} });
    output.result(answer, hookPauseLines(answer));
    return undefined;
  },
});
