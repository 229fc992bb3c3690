import { visible } from '@osa/core/text';
import { cancelCommand } from '../cancel.ts';
import { aboutText, recomputeLines } from './lines.ts';

export const recomputesCancel = cancelCommand({
  kind: 'recompute',
  group: 'recomputes',
  description:
    'Ends a recompute. Batches that are done stay done; those that run are stopped and write nothing. The other ' +
    'records keep the rows that they have. osa recomputes retry goes on with it.',
  exampleReason: 'the wrong release',
  json: 'the recompute, as `osa recomputes show`, and "changed"',
  show: (client, id) => client.call('showRecompute', { params: { id } }),
  question(recompute) {
    const about = aboutText(recompute);
    return { about, question: `Cancel the recompute of ${visible(about)}?` };
  },
  cancel: (client, id, body) => client.call('cancelRecompute', { params: { id }, body }),
  lines: (recompute) => recomputeLines(recompute),
});
