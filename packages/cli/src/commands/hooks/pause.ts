import { defineCommand } from '../../command.ts';
import { hookPauseLines, reasonOption } from '../pause.ts';
import { untilFree } from '../until-free.ts';

export const hooksPause = defineCommand({
  description:
    'Pauses a hook: new batches of its convention wait until it is resumed. Batches that already run are ' +
    'finished. Other conventions go on.',
  arguments: { hook: { description: "the hook's name" } },
  options: reasonOption,
  examples: [['osa hooks pause seismic_energy --reason "the catalogue is down"', 'until it is resumed']],
  json: '{"hook_name", "changed", "paused": {"at", "reason", "by"}}',
  async run(context, { arguments: { hook }, options }) {
    const client = context.client();
    const answer = await untilFree(context, () =>
      client.call('pauseHook', { params: { name: hook }, body: options }),
    );
    context.output.result(answer, hookPauseLines(answer));
    return undefined;
  },
});
