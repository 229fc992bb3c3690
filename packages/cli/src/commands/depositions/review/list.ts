import { defineCommand } from '../../../command.ts';
import { nextPage } from '../../../terminal/format.ts';
import { pagingOptions } from '../../paging.ts';
import { itemLines } from '../list.ts';

export const reviewList = defineCommand({
  description:
    'Lists the depositions that wait for a review, of the conventions that you may review. It takes the role CURATOR, or a key ' +
    'whose tokens may carry depositions:review.',
  options: pagingOptions,
  examples: [['osa depositions review list', 'what waits for a decision']],
  json: '{"items": [{"id", "srn", "convention_id", "status", "file_count", "revision", "owner", "updated_at", …}], "next_cursor"}',
  async run({ client, output }, { options }) {
    const archive = client();
    const answer = await archive.call('listDepositions', {
      query: { ...options, of: 'review' },
      scope: 'depositions:review',
    });
    output.result(answer, itemLines(answer));
    output.note(
      ...nextPage({
        ...{ commandLine: 'osa depositions review list', options, server: archive.server },
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
