import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { untilFree } from '../until-free.ts';
import { recallLines } from './lines.ts';
import { noticeOf, reasonOf } from './reason.ts';

export const recallClose = defineCommand({
  description:
    'Closes a recall: readers no longer see it. It stays in the list with both reasons, and cannot be opened again. Needs ' +
    'the scope recalls:write.',
  arguments: { id: { description: "the recall's id", parse: storedId } },
  options: { reason: { ...noticeOf('why it is over (required)'), short: 'm' } },
  examples: [['osa recall close 0198c0de-… --reason "all rows were computed again with v3"', 'it is over']],
  json: 'the recall, as `osa recall show`',
  async run(context, { arguments: given, options }) {
    const reason = reasonOf(options.reason);
    const client = context.client();
    const id = await fullId(client, 'recall', given.id);
    const recall = await untilFree(context, () =>
      client.call('closeRecall', { params: { id }, body: { reason } }),
    );
    context.output.result(recall, recallLines(recall));
    return undefined;
  },
});
