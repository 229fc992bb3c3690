import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import { nextPage, when } from '../../terminal/format.ts';
import type { Line } from '../../terminal/paint.ts';
import { wordOf } from '../../terminal/parse.ts';
import { table } from '../../terminal/table.ts';
import { pagingOptions } from '../paging.ts';
import { statusOf } from './lines.ts';

const statuses = ['draft', 'in_validation', 'in_review', 'accepted', 'deleted'] as const;

export const depositionsList = defineCommand({
  description: 'Lists your depositions, newest first. Deleted ones come with --status deleted.',
  options: {
    status: {
      value: 'STATUS',
      description: `only those that are ${statuses.join(', ')}`,
      parse: wordOf(statuses),
    },
    ...pagingOptions,
  },
  examples: [['osa depositions list --status draft', 'what you have not submitted, and what came back']],
  json: '{"items": [{"id", "srn", "convention_id", "status", "file_count", "record_srn", "revision", "owner", "updated_at", …}], "next_cursor"}',
  async run({ client, output }, { options }) {
    const archive = client();
    const answer = await archive.call('listDepositions', { query: options });
    output.result(answer, itemLines(answer));
    output.note(
      ...nextPage({
        ...{ commandLine: 'osa depositions list', options, server: archive.server },
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});

export function itemLines({ items }: Answer<'listDepositions'>): Line[] {
  const rows = items.map((item) => [
    item.id,
    item.convention_id,
    statusOf(item.status),
    item.file_count,
    item.owner.subject,
    when(item.updated_at),
  ]);
  return table(['deposition', 'convention', 'status', 'files', 'owner', 'changed'], rows);
}
