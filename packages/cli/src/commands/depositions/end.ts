import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { fullId } from '../full-id.ts';
import { reasonOption } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { idArgument } from './lines.ts';

export const depositionsEnd = defineCommand({
  description:
    'Ends the submission of somebody else, in validation or in review. It is a draft again, and its owner reads who ended it and why. ' +
    'This takes the role ADMIN. `osa audit` shows the reason, and nothing of the content.',
  arguments: idArgument,
  options: {
    reason: { ...reasonOption.reason, description: 'why, for its owner and the audit (required)' },
  },
  examples: [
    [
      'osa depositions end 0198c0de-0000-7000-8000-000000000009 --reason "the depositor asked by mail"',
      'withdraw it for its owner',
    ],
  ],
  json: '{"id", "convention_id", "status": "draft", "reason"}',
  async run(context, { arguments: given, options: { reason } }) {
    if (reason === undefined) {
      throw new OsaError('usage', '--reason: say why; its owner and the audit show it', { field: 'reason' });
    }
    const client = context.client();
    const id = await fullId(client, 'deposition', given.id);
    const ended = await untilFree(context, () =>
      client.call('endDeposition', { params: { id }, body: { reason } }),
    );
    context.output.result(ended, [
      `deposition ${id} of ${ended.convention_id}: ended; its owner has it as a draft, and reads the reason`,
    ]);
    return undefined;
  },
});
