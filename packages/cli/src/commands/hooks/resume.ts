import { defineCommand } from '../../command.ts';
import { hookPauseLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';

export const hooksResume = defineCommand({
  description:
    'Ends the pause of a hook. Batches that were never claimed run under the releases that are live when they are; others ' +
    'under those that were live when they were.',
  arguments: { hook: { description: "the hook's name" } },
  examples: [['osa hooks resume seismic_energy', 'batches are claimed again']],
  json: '{"hook_name", "changed", "paused": null}',
  async run(context, { arguments: { hook } }) {
    const client = context.client();
    const answer = await untilFree(context, () =>
      client.call('resumeHook', { params: { name: hook }, body: {} }),
    );
    context.output.result(answer, hookPauseLines(answer));
    return undefined;
  },
});
