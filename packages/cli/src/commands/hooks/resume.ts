import { defineCommand } from '../../command.ts';
import { hookPauseLines } from '../pause.ts';

export const hooksResume = defineCommand({
  description:
    'Resumes a paused hook. Batches that were never claimed run the releases that are live now. Batches ' +
    'that were claimed before the pause keep the releases of their first claim.',
  arguments: { hook: { description: "the hook's name" } },
  examples: [['osa hooks resume seismic_energy', 'batches are claimed again']],
  json: '{"hook_name", "changed", "paused": null}',
  async run({ client, output }, { arguments: { hook } }) {
    const answer = await client().call('resumeHook', { params: { name: hook }, body: {} });
    output.result(answer, hookPauseLines(answer));
    return undefined;
  },
});
