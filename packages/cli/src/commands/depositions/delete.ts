import { defineCommand } from '../../command.ts';
import { counted } from '../../terminal/format.ts';
import { confirm } from '../confirm.ts';
import { fullId } from '../full-id.ts';
import { depositionJson, idArgument, ifMatch } from './lines.ts';

export const depositionsDelete = defineCommand({
  description:
    'Deletes a draft with its metadata and files. The record that it existed stays, with its owner and the time. Submissions that came ' +
    'back stay too; you alone see them. Withdraw a submitted deposition first.\n\n' +
    'On a terminal it asks once; elsewhere it needs --yes.',
  arguments: idArgument,
  options: { yes: { short: 'y', description: 'do not ask' } },
  examples: [
    ['osa depositions delete 0198c0de-0000-7000-8000-000000000009', 'after asking'],
    ['osa depositions delete 0198c0de-0000-7000-8000-000000000009 --yes', 'from a script'],
  ],
  json: `the deposition, without content: ${depositionJson}`,
  async run(context, { arguments: given, options: { yes } }) {
    const archive = context.client();
    const id = await fullId(archive, 'deposition', given.id);
    const seen = await archive.call('showDeposition', { params: { id } });
    if (!yes) {
      const about = `deposition ${id} of ${seen.convention_id} with ${counted(seen.files.length, 'file')}`;
      if (!(await confirm(context, { about, question: `Delete ${about}?` }))) return 1;
    }
    const deleted = await archive.call('deleteDeposition', {
      params: { id },
      ifMatch: ifMatch(seen),
      resource: seen.convention_id,
    });
    context.output.result(deleted, [`deposition ${id}: deleted`]);
    return undefined;
  },
});
