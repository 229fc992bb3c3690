import { visible } from '@osa/core/text';
import { cancelCommand } from '../cancel.ts';
import { aboutText, replayLines } from './lines.ts';

export const replaysCancel = cancelCommand({
  kind: 'replay',
  group: 'replays',
  description:
    'Ends a replay. Certificates that are stored stay; what runs is stopped and leaves none. No row is changed.',
  exampleReason: 'too large a sample',
  json: 'the replay, as `osa replays show` without "not_identical", and "changed"',
  show: (client, id) => client.call('showReplay', { params: { id } }),
  question(replay) {
    const about = `replay of ${aboutText(replay)}`;
    return { about, question: `Cancel the ${visible(about)}?` };
  },
  cancel: (client, id, body) => client.call('cancelReplay', { params: { id }, body }),
  lines: (replay) => replayLines(replay, []),
});
