import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { unchangedLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { ingestionLines } from './follow.ts';

export const ingestionsResume = defineCommand({
  description: 'Resumes a paused ingestion.',
  arguments: { id: { description: "the ingestion's id", parse: storedId } },
  examples: [['osa ingestions resume 0198c0de-…', 'its batches are claimed again']],
  json: 'the ingestion, as `osa ingestions show`, and "changed"',
  async run(context, { arguments: given }) {
    const client = context.client();
    const id = await fullId(client, 'ingestion', given.id);
    const ingestion = await untilFree(context, () =>
      client.call('resumeIngestion', { params: { id }, body: {} }),
    );
    context.output.result(ingestion, [
      ...ingestionLines(ingestion),
      ...unchangedLines(ingestion, 'was not paused'),
    ]);
    return undefined;
  },
});
