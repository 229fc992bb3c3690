import { defineCommand } from '../../command.ts';
import { nextPage } from '../../terminal/format.ts';
import { pagingOptions } from '../paging.ts';
import { recomputeTable } from './lines.ts';

export const recomputesList = defineCommand({
  description: 'Lists recomputes, newest first.',
  arguments: { hook: { description: 'only those of this hook', optional: true } },
  options: pagingOptions,
  examples: [['osa recomputes list seismic_energy', 'those of one hook']],
  json: '{"items": [{a recompute, as `osa recomputes show`}], "next_cursor"}',
  async run({ client, output }, { arguments: { hook }, options }) {
    const server = client();
    const answer = await server.call('listRecomputes', { query: { ...options, hook } });
    output.result(answer, answer.items.length === 0 ? ['no recomputes'] : recomputeTable(answer.items));
    output.note(
      ...nextPage({
        commandLine: `osa recomputes list${hook === undefined ? '' : ` ${hook}`}`,
        options,
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});
