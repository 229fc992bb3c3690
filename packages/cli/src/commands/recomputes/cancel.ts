import { visible } from '@osa/core/text';
import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { confirm } from '../confirm.ts';
import { fullId } from '../full-id.ts';
import { reasonOption, unchangedLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { aboutText, recomputeLines } from './lines.ts';

export const recomputesCancel = defineCommand({
  description:
    'Ends a recompute. Batches that are done stay done; those that run are stopped and write nothing. The other ' +
    'records keep the rows that they have. osa recomputes retry goes on with it.\n\n' +
    'On a terminal it asks once; elsewhere it needs --yes.',
  arguments: { id: { description: "the recompute's id", parse: storedId } },
  options: { ...reasonOption, yes: { short: 'y', description: 'do not ask' } },
  examples: [
    ['osa recomputes cancel 0198c0de-…', 'after asking'],
    ['osa recomputes cancel 0198c0de-… --reason "the wrong release" --yes', 'from a script'],
  ],
  json: 'the recompute, as `osa recomputes show`, and "changed"',
  async run(context, { arguments: given, options: { yes, reason } }) {
    const { output } = context;
    const client = context.client();
    const id = await fullId(client, 'recompute', given.id);
    if (!yes) {
      const about = aboutText(await client.call('showRecompute', { params: { id } }));
      const question = `Cancel the recompute of ${visible(about)}?`;
      if (!(await confirm(context, { about, question }))) return 1;
    }
    const recompute = await untilFree(context, () =>
      client.call('cancelRecompute', { params: { id }, body: { reason } }),
    );
    output.result(recompute, [...recomputeLines(recompute), ...unchangedLines(recompute, 'had ended')]);
    return undefined;
  },
});
