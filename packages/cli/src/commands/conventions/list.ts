import { defineCommand } from '../../command.ts';
import { nextPage, when } from '../../terminal/format.ts';
import { table } from '../../terminal/table.ts';
import { pagingOptions } from '../paging.ts';

export const conventionsList = defineCommand({
  description: 'Lists the conventions of the server, newest first.',
  options: pagingOptions,
  examples: [['osa conventions list', 'all conventions of the server']],
  json: '{"items": [{"id", "title", "description", "schema_id": {"id", "version"}, "created_at"}], "next_cursor", "has_more"}',
  async run({ client, output }, { options }) {
    const server = client();
    const answer = await server.call('listConventions', { query: options });
    const rows = answer.items.map(({ id, title, schema_id: schema, created_at }) => [
      id,
      `${schema.id}@${schema.version}`,
      when(created_at),
      title,
    ]);
    output.result(
      answer,
      rows.length === 0
        ? ['no conventions yet; deploy one with: osa deploy']
        : table(['convention', 'schema', 'created', 'title'], rows),
    );
    output.note(
      ...nextPage({
        commandLine: 'osa conventions list',
        options,
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
