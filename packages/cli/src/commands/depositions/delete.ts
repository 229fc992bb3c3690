import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { counted } from '../../terminal/format.ts';
import { fullId } from '../full-id.ts';
import { depositionJson, idArgument, ifMatch } from './lines.ts';

export const depositionsDelete = defineCommand({
  description:
    'Deletes a draft: its metadata and files go. That it was there stays, with its owner and the time, and so do the submissions that ' +
    'came back; you alone see them. What is submitted is withdrawn first.\n\n' +
    'On a terminal it asks once; elsewhere it needs --yes.',
  arguments: idArgument,
  options: { yes: { short: 'y', description: 'do not ask' } },
  examples: [
    ['osa depositions delete 0198c0de-0000-7000-8000-000000000009', 'after asking'],
    ['osa depositions delete 0198c0de-0000-7000-8000-000000000009 --yes', 'from a script'],
  ],
  json: `the deposition, without content: ${depositionJson}`,
  async run({ client, output, signal, stdin }, { arguments: given, options: { yes } }) {
    const archive = client();
    const id = await fullId(archive, 'deposition', given.id);
    const seen = await archive.call('showDeposition', { params: { id } });
    if (!yes) {
      const about = `deposition ${id} of ${seen.convention_id} with ${counted(seen.files.length, 'file')}`;
      if (!output.interactive) {
        throw new OsaError(
          'usage',
          `${about}: this is not a terminal, so osa cannot ask for confirmation; pass --yes`,
          { field: 'yes' },
        );
      }
      const { ask } = await import('../../terminal/ui/ask.tsx');
      if (!(await ask({ question: `Delete ${about}?`, signal, stdin }))) {
        output.note('nothing was changed');
        return 1;
      }
    }
    const deleted = await archive.call('deleteDeposition', {
      params: { id },
      ifMatch: ifMatch(seen),
      resource: seen.convention_id,
    });
    output.result(deleted, [`deposition ${id}: deleted`]);
    return undefined;
  },
});
