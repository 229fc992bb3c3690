import { defineCommand } from '../../command.ts';
import { nextPage, when } from '../../terminal/format.ts';
import { table } from '../../terminal/table.ts';
import { pagingOptions } from '../paging.ts';

export const ingestionsList = defineCommand({
  description: 'Lists ingestions, newest first. It needs a key whose tokens may carry ingestions:read.',
  options: pagingOptions,
  examples: [['osa ingestions list --limit 10', 'the last ten']],
  json: '{"items": [{an ingestion, as `osa ingestions show`}], "next_cursor"}',
  async run({ client, output }, { options }) {
    const archive = client();
    const answer = await archive.call('listIngestions', { query: options });
    const rows = answer.items.map((item) => [
      item.id,
      item.convention_id,
      item.status,
      item.records,
      item.published,
      item.unchanged,
      item.invalid + item.rejected + item.errored,
      item.rows,
      when(item.started_at),
    ]);
    output.result(
      answer,
      table(
        ['ingestion', 'convention', 'status', 'received', 'passed', 'unchanged', 'failed', 'rows', 'began'],
        rows,
      ),
    );
    output.note(
      ...nextPage({
        commandLine: 'osa ingestions list',
        options,
        server: archive.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
