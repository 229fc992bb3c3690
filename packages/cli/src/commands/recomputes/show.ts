import { defineCommand } from '../../command.ts';
import { nextPage } from '../../terminal/format.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { pagingOptions } from '../paging.ts';
import { recomputeLines, recordLines } from './lines.ts';

export const recomputesShow = defineCommand({
  description:
    'Shows a recompute: what it is about, its counts, the releases that it ran, and why it waits. With --failed, ' +
    'lists the records that the live release rejected, and those that errored and keep their earlier rows.',
  arguments: { id: { description: "the recompute's id", parse: storedId } },
  options: { failed: { description: 'list the records that did not pass, and why' }, ...pagingOptions },
  examples: [
    ['osa recomputes show 0198c0de-…', 'its counts'],
    ['osa recomputes show 0198c0de-… --failed', 'what did not pass, and why'],
  ],
  json: '{"id", "hook_name", "releases", "status", "records", "passed", "rejected", "errored", "overtaken", "pending", "rows", "used": [{"version", "batches", "records", "rows"}], …};\nwith --failed {"items": [{"source_id", "convention_id", "batch", "status", "reason", "record_srn"}], "next_cursor"}',
  async run(context, { arguments: given, options: { failed, ...page } }) {
    const { output } = context;
    const client = context.client();
    const id = await fullId(client, 'recompute', given.id);
    if (!failed) {
      const recompute = await client.call('showRecompute', { params: { id } });
      output.result(recompute, recomputeLines(recompute));
      return undefined;
    }
    const answer = await client.call('listRecomputeRecords', {
      params: { id },
      query: { ...page, status: 'failed' },
    });
    output.result(answer, recordLines(answer));
    output.note(
      ...nextPage({
        commandLine: `osa recomputes show ${id}`,
        options: { failed, ...page },
        server: client.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
