import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { nextPage } from '../../terminal/format.ts';
import { text } from '../../terminal/parse.ts';
import { pagingOptions } from '../paging.ts';
import { recallTable } from './lines.ts';

export const recallList = defineCommand({
  description: 'Lists recalls, newest first, with how many of their rows are current.',
  options: {
    status: { value: 'STATUS', description: 'open or closed', parse: statusNamed },
    hook: { value: 'NAME', description: 'only those that select a release of this hook', parse: text(200) },
    ...pagingOptions,
  },
  examples: [
    ['osa recall list', 'all of them'],
    ['osa recall list --status open', 'those that readers see'],
  ],
  json: '{"items": [{"id", "fact", "asked", "reason", "advice", "opened_by", "opened_at", "closed", "release_count", "current", "recomputes"}], "next_cursor"}',
  async run({ client, output }, { options }) {
    const server = client();
    const answer = await server.call('listRecalls', { query: options });
    output.result(answer, answer.items.length === 0 ? ['no recalls'] : recallTable(answer.items));
    output.note(
      ...nextPage({
        commandLine: 'osa recall list',
        options,
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});

function statusNamed(given: string): 'open' | 'closed' {
  if (given === 'open' || given === 'closed') return given;
  throw new OsaError('usage', 'It must be open or closed.');
}
