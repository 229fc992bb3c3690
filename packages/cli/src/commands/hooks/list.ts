import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { shortSource, when } from '../../terminal/format.ts';
import { green, line, yellow } from '../../terminal/paint.ts';
import { table } from '../../terminal/table.ts';

export const hooksList = defineCommand({
  description: 'Lists all hooks by name, with their live releases.',
  examples: [['osa hooks list', 'all hooks']],
  json: '{"items": [{"name", "owner", "feature", "release_count", "live_release", "paused"}]}',
  async run({ client, output }) {
    const items = await allHooks(client());
    const rows = items.map(({ name, owner, release_count, live_release, paused }) => [
      paused ? line`${name} ${yellow('(paused)')}` : name,
      live_release ? green(`v${live_release.version}`) : null,
      release_count,
      live_release && line`${shortSource(live_release.source_ref)}`,
      when(live_release?.built_at ?? null),
      owner,
    ]);
    output.result(
      { items },
      rows.length === 0
        ? ['no hooks yet; deploy a convention with: osa deploy']
        : table(['hook', 'live', 'releases', 'source', 'built', 'convention'], rows),
    );
    return undefined;
  },
});

async function allHooks(client: Client): Promise<Answer<'listHooks'>['items']> {
  const items: Answer<'listHooks'>['items'] = [];
  for (let cursor: string | undefined; ; ) {
    const answer = await client.call('listHooks', { query: { cursor } });
    items.push(...answer.items);
    if (answer.next_cursor === null) return items;
    cursor = answer.next_cursor;
  }
}
