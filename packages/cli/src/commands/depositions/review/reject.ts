import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../../command.ts';
import { fullId } from '../../full-id.ts';
import { reasonOption } from '../../pause.ts';
import { untilFree } from '../../until-free.ts';
import { depositionJson, idArgument, ifMatch } from '../lines.ts';

export const reviewReject = defineCommand({
  description:
    'Gives a deposition back to its owner with a reason, which may begin with the field that it is about, as in "title: …". Nothing ' +
    'of it is published.',
  arguments: idArgument,
  options: { reason: { ...reasonOption.reason, description: 'why, for its owner; it must be given' } },
  examples: [
    [
      'osa depositions review reject 0198c0de-0000-7000-8000-000000000009 --reason "title: names no organism"',
      'ask for a change',
    ],
  ],
  json: `the deposition: ${depositionJson}`,
  async run(context, { arguments: given, options: { reason } }) {
    if (reason === undefined) {
      throw new OsaError('usage', '--reason: say why, since the owner must know what to change', {
        field: 'reason',
      });
    }
    const client = context.client();
    const id = await fullId(client, 'deposition', given.id);
    const scope = 'depositions:review';
    const seen = await client.call('showDeposition', { params: { id }, scope });
    const back = await untilFree(context, () =>
      client.call('rejectDeposition', { params: { id }, body: { reason }, ifMatch: ifMatch(seen) }),
    );
    context.output.result(back, [`deposition ${id}: rejected; its owner can mend it and submit it again`]);
    return undefined;
  },
});
