import type { Answer } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { nextPage, when } from '../../terminal/format.ts';
import { text } from '../../terminal/parse.ts';
import { table } from '../../terminal/table.ts';
import { pagingOptions } from '../paging.ts';

type Status = Answer<'showIngestion'>['status'];

const statuses = [
  'running',
  'paused',
  'completed',
  'failed',
  'cancelled',
] as const satisfies readonly Status[];

export const ingestionsList = defineCommand({
  description:
    'Lists ingestions, newest first. It needs a key whose tokens may carry ingestions:read; one that is narrowed to a convention takes --convention.',
  options: {
    convention: { value: 'SLUG', description: 'only those into this convention', parse: text(200) },
    status: { value: 'STATUS', description: statuses.join(', '), parse: statusNamed },
    ...pagingOptions,
  },
  examples: [
    ['osa ingestions list --limit 10', 'the last ten'],
    ['osa ingestions list --convention quakes --status failed', 'those that were stopped, of one convention'],
  ],
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
    const heads = [
      'ingestion',
      'convention',
      'status',
      'received',
      'passed',
      'unchanged',
      'failed',
      'rows',
      'began',
    ];
    output.result(answer, rows.length === 0 ? ['no ingestions'] : table(heads, rows));
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

function statusNamed(given: string): Status {
  const found = statuses.find((status) => status === given);
  if (found) return found;
  throw new OsaError('usage', `It must be ${statuses.join(', ')}.`);
}
