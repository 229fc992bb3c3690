import { defineCommand } from '../../../command.ts';
import { fullId } from '../../full-id.ts';
import { reasonOption } from '../../pause.ts';
import { untilFree } from '../../until-free.ts';
import { depositionJson, depositionLines, idArgument, ifMatch } from '../lines.ts';

export const reviewApprove = defineCommand({
  description:
    'Publishes a deposition, with exactly the rows that its hooks have computed. If it was withdrawn, or another reviewer was ' +
    'first, nothing is changed.',
  arguments: idArgument,
  options: reasonOption,
  examples: [['osa depositions review approve 0198c0de-0000-7000-8000-000000000009', 'publish it']],
  json: `the deposition: ${depositionJson}`,
  async run(context, { arguments: given, options }) {
    const client = context.client();
    const id = await fullId(client, 'deposition', given.id);
    const scope = 'depositions:review';
    const seen = await client.call('showDeposition', { params: { id }, scope });
    const accepted = await untilFree(context, () =>
      client.call('approveDeposition', { params: { id }, body: options, ifMatch: ifMatch(seen) }),
    );
    context.output.result(accepted, depositionLines(accepted));
    return undefined;
  },
});
