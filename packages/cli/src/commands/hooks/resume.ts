import { defineCommand } from '../../command.ts';
import { hookPauseLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';

export const hooksResume = defineCommand({
  description:
    'Resumes a paused hook. Batches that were never claimed run the releases that are live now. Batches ' +
    'that were claimed before the pause keep the releases of their first claim.',
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
