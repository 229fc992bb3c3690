import { defineCommand } from '../../command.ts';
import { fullId } from '../full-id.ts';
import { depositionJson, depositionLines, idArgument, scopes } from './lines.ts';

export const depositionsShow = defineCommand({
  description:
    'Shows a deposition: its metadata and files, and what the hooks and reviewers said of it. You see your own, and those ' +
    'that you may review from their review on.',
  arguments: idArgument,
  examples: [['osa depositions show 0198c0de-0000-7000-8000-000000000009', 'why it came back']],
  json: depositionJson,
  async run({ client, output }, { arguments: given }) {
    const archive = client();
    const id = await fullId(archive, 'deposition', given.id);
    const found = await archive.call('showDeposition', { params: { id }, scopes });
    output.result(found, depositionLines(found));
    return undefined;
  },
});
