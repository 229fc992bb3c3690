import { visible } from '@osa/core/text';
import { defineCommand } from '../../command.ts';
import { storedId } from '../../terminal/parse.ts';
import { confirm } from '../confirm.ts';
import { fullId } from '../full-id.ts';
import { reasonOption, unchangedLines } from '../pause.ts';
import { untilFree } from '../until-free.ts';
import { aboutText, replayLines } from './lines.ts';

export const replaysCancel = defineCommand({
  description:
    'Ends a replay. Certificates that are stored stay; what runs is stopped and leaves none. No row is changed.\n\n' +
    'On a terminal it asks once; elsewhere it needs --yes.',
  arguments: { id: { description: "the replay's id", parse: storedId } },
  options: { ...reasonOption, yes: { short: 'y', description: 'do not ask' } },
  examples: [
    ['osa replays cancel 0198c0de-…', 'after asking'],
    ['osa replays cancel 0198c0de-… --reason "too large a sample" --yes', 'from a script'],
  ],
  json: 'the replay, as `osa replays show` without "not_identical", and "changed"',
  async run(context, { arguments: given, options: { yes, reason } }) {
    const { output } = context;
    const client = context.client();
    const id = await fullId(client, 'replay', given.id);
    if (!yes) {
      const about = `replay of ${aboutText(await client.call('showReplay', { params: { id } }))}`;
      const question = `Cancel the ${visible(about)}?`;
      if (!(await confirm(context, { about, question }))) return 1;
    }
    const replay = await untilFree(context, () =>
      client.call('cancelReplay', { params: { id }, body: { reason } }),
    );
    output.result(replay, [...replayLines(replay, []), ...unchangedLines(replay, 'had ended')]);
    return undefined;
  },
});
