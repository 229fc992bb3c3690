import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { reasonOption, unchangedLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { ingestionLines } from './follow.ts';

export const ingestionsPause = defineCommand({
  description:
    'Pauses an ingestion: its batches wait until it is resumed. Batches that already run are finished. ' +
    'Later ingestions of the same records wait too, since newer content must win.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  options: reasonOption,
  examples: [
    ['osa ingestions pause 0198c0de-… --reason "to look at the first batch"', 'until it is resumed'],
  ],
  json: 'the ingestion, as `osa ingestions show`, and "changed"',
  async run(context, { arguments: given, options }) {
    const client = context.client();
    const id = await fullId(client, 'ingestion', given.id);
    const ingestion = await untilFree(context, () =>
      client.call('pauseIngestion', { params: { id }, body: options }),
    );
    context.output.result(ingestion, [
      ...ingestionLines(ingestion),
      ...unchangedLines(ingestion, 'was paused'),
    ]);
    return undefined;
  },
});
