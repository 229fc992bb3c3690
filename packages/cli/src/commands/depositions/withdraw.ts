import { defineCommand } from '../../command.ts';
import { fullId } from '../full-id.ts';
import { untilFree } from '../until-free.ts';
import { depositionJson, depositionLines, idArgument } from './lines.ts';

export const depositionsWithdraw = defineCommand({
  description:
    'Takes back what you have submitted and nobody has accepted. It is a draft again, and what the hooks have computed is dropped.',
  arguments: idArgument,
  examples: [['osa depositions withdraw 0198c0de-0000-7000-8000-000000000009', 'make it a draft again']],
  json: `the deposition: ${depositionJson}`,
  async run(context, { arguments: given }) {
    const client = context.client();
    const id = await fullId(client, 'deposition', given.id);
    const draft = await untilFree(context, () =>
      client.call('withdrawDeposition', { params: { id }, body: {} }),
    );
    context.output.result(draft, depositionLines(draft));
    return undefined;
  },
});
