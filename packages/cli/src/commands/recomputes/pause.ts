import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { reasonOption, unchangedLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { recomputeLines } from './lines.ts';

export const recomputesPause = defineCommand({
  description:
    'Pauses a recompute: its batches wait until it is resumed. Batches that already run are finished. New content ' +
    'for the records of waiting batches waits too.',
  arguments: { id: { description: "the recompute's id", parse: storedId } },
  options: reasonOption,
  examples: [
    ['osa recomputes pause 0198c0de-… --reason "to look at the first batch"', 'until it is resumed'],
  ],
  json: 'the recompute, as `osa recomputes show`, and "changed"',
  async run(context, { arguments: given, options }) {
    const client = context.client();
    const id = await fullId(client, 'recompute', given.id);
    const recompute = await untilFree(context, () =>
      client.call('pauseRecompute', { params: { id }, body: options }),
    );
    context.output.result(recompute, [
      ...recomputeLines(recompute),
      ...unchangedLines(recompute, 'was paused'),
    ]);
    return undefined;
  },
});
