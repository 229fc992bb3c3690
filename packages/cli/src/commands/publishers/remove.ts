import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';

export const publishersRemove = defineCommand({
  description:
    'Removes a trusted publisher. From then on its jobs get no token, and tokens that they have are refused. Their ' +
    'deploys and releases stay.',
  arguments: { id: { description: 'its id, as osa publishers list shows it', parse: storedId } },
  examples: [['osa publishers remove 0198c0de-7b1c-7000-8000-000000000000', 'trust it no longer']],
  json: '{"id", "removed": true}',
  async run({ client, output }, { arguments: { id } }) {
    const answer = await client().call('removePublisher', { params: { id }, body: {} });
    output.result(answer, [`removed ${answer.id}; its tokens are refused from now on`]);
    return undefined;
  },
});
