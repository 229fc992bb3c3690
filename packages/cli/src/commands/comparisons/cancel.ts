import { visible } from '@osa/core/text';
import { line } from '../../terminal/paint.ts';
import { cancelCommand } from '../cancel.ts';
import { titleOf } from './report.ts';

export const comparisonsCancel = cancelCommand({
  kind: 'comparison',
  group: 'comparisons',
  description:
    'Ends a comparison without a report, and stops what runs of it. A deploy that waits for it makes nothing live.',
  exampleReason: 'it hangs',
  json: 'the comparison, as `osa comparisons show`, and "changed"',
  show: (client, id) => client.call('showComparison', { params: { id } }),
  question(comparison) {
    const about = titleOf(comparison);
    return { about, question: `Cancel the comparison ${visible(about)}?` };
  },
  async cancel(client, id, body) {
    const { hook_name } = await client.call('showComparison', { params: { id } });
    return client.call('cancelComparison', { params: { id }, body, resource: hook_name });
  },
  lines: ({ id, status, problem }) => [
    line`comparison ${id}: ${status}${problem === null ? '' : `: ${problem}`}`,
  ],
});
