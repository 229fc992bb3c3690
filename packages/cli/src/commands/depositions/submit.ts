import { defineCommand } from '../../command.ts';
import { fullId } from '../full-id.ts';
import { showSubmitted, waitOptions } from './follow.ts';
import { depositionJson, idArgument, ifMatch } from './lines.ts';

export const depositionsSubmit = defineCommand({
  description:
    'Submits a draft: every hook of its convention runs over it. A record that they pass is published, after a review where the ' +
    "convention wants one; otherwise it is a draft again, with each hook's reason.",
  arguments: idArgument,
  options: waitOptions,
  examples: [
    ['osa depositions submit 0198c0de-0000-7000-8000-000000000009 --wait', 'and wait for the hooks'],
  ],
  json: `the deposition: ${depositionJson}`,
  async run(context, { arguments: given, options }) {
    const client = context.client();
    const id = await fullId(client, 'deposition', given.id);
    const draft = await client.call('showDeposition', { params: { id } });
    const submitted = await client.call('submitDeposition', {
      params: { id },
      body: {},
      ifMatch: ifMatch(draft),
      resource: draft.convention_id,
    });
    return showSubmitted(context, client, submitted, options);
  },
});
