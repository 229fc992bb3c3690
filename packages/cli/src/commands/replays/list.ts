import { defineCommand } from '../../command.ts';
import { nextPage } from '../../terminal/format.ts';
import { pagingOptions } from '../paging.ts';
import { replayTable } from './lines.ts';

export const replaysList = defineCommand({
  description: 'Lists replays with their verdicts, newest first.',
  options: pagingOptions,
  examples: [['osa replays list', 'the newest ones']],
  json: '{"items": [{a replay, as `osa replays show`}], "next_cursor"}',
  async run({ client, output }, { options }) {
    const server = client();
    const answer = await server.call('listReplays', { query: options });
    output.result(answer, answer.items.length === 0 ? ['no replays'] : replayTable(answer.items));
    output.note(
      ...nextPage({
        ...{ commandLine: 'osa replays list', options, server: server.server },
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
