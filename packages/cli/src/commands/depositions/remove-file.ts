import { defineCommand } from '../../command.ts';
import { fullId } from '../full-id.ts';
import { depositionJson, depositionLines, idArgument, ifMatch } from './lines.ts';

export const depositionsRemoveFile = defineCommand({
  description:
    'Removes a file from a draft. If somebody else changed the draft meanwhile, nothing is changed. `osa depositions edit` adds and ' +
    'replaces files.',
  arguments: { ...idArgument, name: { description: "the file's name in the deposition" } },
  examples: [
    ['osa depositions remove-file 0198c0de-0000-7000-8000-000000000009 4hhb.cif', 'leave a file out'],
  ],
  json: `the deposition: ${depositionJson}`,
  async run({ client, output }, { arguments: { id: given, name } }) {
    const archive = client();
    const id = await fullId(archive, 'deposition', given);
    const seen = await archive.call('showDeposition', { params: { id } });
    const draft = await archive.call('removeDepositionFile', {
      params: { id, name },
      ifMatch: ifMatch(seen),
      resource: seen.convention_id,
    });
    output.result(draft, depositionLines(draft));
    return undefined;
  },
});
