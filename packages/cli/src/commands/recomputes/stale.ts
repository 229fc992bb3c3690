import { defineCommand } from '../../command.ts';
import { nextPage, version } from '../../terminal/format.ts';
import { green, yellow } from '../../terminal/paint.ts';
import { table } from '../../terminal/table.ts';
import { pagingOptions } from '../paging.ts';
import { staleLines } from './lines.ts';

export const hooksStale = defineCommand({
  description:
    'Counts the current rows and records of a hook by the release that made them, and marks the live one. ' +
    'Rows of other releases are stale; osa hooks recompute brings them under the live release. Without a hook, ' +
    'it lists all hooks.',
  arguments: { hook: { description: "the hook's name", optional: true } },
  options: pagingOptions,
  examples: [
    ['osa hooks stale', 'all hooks, with what is stale'],
    ['osa hooks stale seismic_energy', 'one hook, by release'],
  ],
  json: '{"hook_name", "live_version", "stale_records", "stale_rows", "missing", "releases": [{"version", "is_live", "records", "rejected", "rows"}],\n"recomputes": [ids of those under way]}; without a hook {"items": [the same], "next_cursor"}',
  async run({ client, output }, { arguments: { hook }, options }) {
    const server = client();
    if (hook !== undefined) {
      const answer = await server.call('showStale', { params: { name: hook } });
      output.result(answer, staleLines(answer));
      return undefined;
    }
    const answer = await server.call('listStale', { query: options });
    const rows = answer.items.map((item) => [
      item.hook_name,
      version(item.live_version),
      item.releases.find(({ is_live }) => is_live)?.rows ?? 0,
      item.stale_rows,
      item.stale_records === 0 ? green('0') : yellow(String(item.stale_records)),
      item.missing,
    ]);
    const heads = ['hook', 'live', 'rows of it', 'stale rows', 'stale records', 'never seen'];
    output.result(answer, rows.length === 0 ? ['no hooks'] : table(heads, rows));
    output.note(
      ...nextPage({
        commandLine: 'osa hooks stale',
        options,
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
