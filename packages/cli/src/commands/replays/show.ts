import { defineCommand } from '../../command.ts';
import { nextPage } from '../../terminal/format.ts';
import { storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { pagingOptions } from '../paging.ts';
import { certificateLines, mostNamed, replayLines } from './lines.ts';

export const replaysShow = defineCommand({
  description:
    'Shows a replay: what it is about, its verdicts, and the first results that are not identical. With --certificates, ' +
    'lists the certificate of each result.',
  arguments: { id: { description: "the replay's id", parse: storedId } },
  options: { certificates: { description: 'list all certificates' }, ...pagingOptions },
  examples: [
    ['osa replays show 0198c0de-…', 'its verdicts'],
    ['osa replays show 0198c0de-… --certificates --json', 'who ran what, where, and the digests'],
  ],
  json: '{"id", "status", "results", "identical", "differs", "cannot", "not_identical": [{a certificate}], …};\nwith --certificates {"items": [{"rows", "record_srn", "verdict", "reason", "columns", "engine", "architecture", "resolved_digest", "platform_digest", "stored_digest", "made_digest", "by", "at", …}], "next_cursor"}',
  async run(context, { arguments: given, options: { certificates, ...page } }) {
    const { output } = context;
    const client = context.client();
    const id = await fullId(client, 'replay', given.id);
    if (!certificates) {
      const replay = await client.call('showReplay', { params: { id } });
      const { items } = await client.call('listCertificates', {
        params: { id },
        query: { verdict: 'not_identical', limit: mostNamed },
      });
      output.result({ ...replay, not_identical: items }, replayLines(replay, items));
      return undefined;
    }
    const answer = await client.call('listCertificates', { params: { id }, query: page });
    output.result(answer, answer.items.length === 0 ? ['none yet'] : certificateLines(answer.items));
    output.note(
      ...nextPage({
        commandLine: `osa replays show ${id}`,
        options: { certificates, ...page },
        server: client.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
