import { defineCommand } from '../../command.ts';
import { nextPage, shortSource, when } from '../../terminal/format.ts';
import { line } from '../../terminal/paint.ts';
import { table } from '../../terminal/table.ts';
import { pagingOptions } from '../paging.ts';
import { changeWords } from './lines.ts';

export const deploysList = defineCommand({
  description: 'Lists deploys, newest first: what changed, who deployed it, from which code, and when.',
  arguments: { convention: { description: 'only deploys of this convention', optional: true } },
  options: pagingOptions,
  examples: [
    ['osa deploys list', 'all deploys'],
    ['osa deploys list usgs-earthquakes --limit 10', 'the last ten of one convention'],
  ],
  json: '{"items": [{"id", "slug", "manifest_digest", "changed", "changes", "source_refs", "actor", "at"}], "next_cursor"}',
  async run({ client, output }, { arguments: { convention }, options }) {
    const server = client();
    const answer = await server.call('listDeploys', { query: { ...options, convention } });
    const rows = answer.items.map(({ id, slug, changed, changes, source_refs, actor, at }) => [
      id,
      slug,
      actor.subject,
      line`${source_refs.map(shortSource).join(', ')}`,
      when(at),
      changed ? changeWords(changes).join(', ') : 'nothing',
    ]);
    output.result(
      answer,
      rows.length === 0
        ? ['no deploys']
        : table(['deploy', 'convention', 'by', 'source', 'when', 'changed'], rows),
    );
    output.note(
      ...nextPage({
        commandLine: `osa deploys list${convention === undefined ? '' : ` ${convention}`}`,
        options,
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
