import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { reasonOption } from '../pause.ts';
import { ingestionLines } from './follow.ts';

export const ingestionsPause = defineCommand({
  description:
    'Pauses an ingestion: once this has answered, none of its batches is claimed. Those that run by then end as they ' +
    'would. Later ingestions of the same records wait behind it, since the later content must come out on top.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  options: reasonOption,
  examples: [
    ['osa ingestions pause 0198c0de-… --reason "to look at the first batch"', 'until it is resumed'],
  ],
  json: 'the ingestion, as `osa ingestions show`',
  async run({ client, output }, { arguments: given, options }) {
    const archive = client();
    const id = await fullId(archive, 'ingestion', given.id);
    const ingestion = await archive.call('pauseIngestion', { params: { id }, body: options });
    output.result(ingestion, ingestionLines(ingestion));
    return undefined;
  },
});
