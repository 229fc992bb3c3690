import { defineCommand } from '../../command.ts';
import { nextPage, version, when } from '../../terminal/format.ts';
import { table } from '../../terminal/table.ts';
import { pagingOptions } from '../paging.ts';
import { changedText } from './report.ts';

export const comparisonsList = defineCommand({
  description:
    'Lists the comparisons of a hook, newest first: of which release, with what, and how much changed.',
  arguments: { hook: { description: "the hook's name" } },
  options: pagingOptions,
  examples: [['osa comparisons list seismic_energy', 'what was compared, and with which result']],
  json: '{"items": [as `osa comparisons show`], "next_cursor"}',
  async run({ client, output }, { arguments: { hook }, options }) {
    const server = client();
    const answer = await server.call('listComparisons', { params: { name: hook }, query: options });
    const rows = answer.items.map(
      ({ id, version: made, against, status, report, deploy, started_by, started_at }) => [
        id,
        version(made),
        against === null ? 'current rows' : version(against),
        report ? changedText(report) : status,
        deploy?.id ?? null,
        started_by.subject,
        when(started_at),
      ],
    );
    output.result(
      answer,
      rows.length === 0
        ? ['no comparisons']
        : table(['comparison', 'release', 'with', 'changed', 'deploy', 'by', 'when'], rows),
    );
    output.note(
      ...nextPage({
        commandLine: `osa comparisons list ${hook}`,
        options,
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
