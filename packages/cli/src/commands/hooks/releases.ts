import { defineCommand } from '../../command.ts';
import { nextPage } from '../../terminal/format.ts';
import { pagingOptions } from '../paging.ts';
import { releaseTable } from './lines.ts';

export const hooksReleases = defineCommand({
  description: 'Lists the releases of a hook, newest first, and marks the live one.',
  arguments: { hook: { description: "the hook's name" } },
  options: pagingOptions,
  examples: [['osa hooks releases seismic_energy --limit 10', 'the last ten']],
  json: '{"hook_name", "live_version", "releases": [{"version", "is_live", "runtime", "image", "digest", "source_ref",\n"built_by", "built_at"}], "next_cursor"}',
  async run({ client, output }, { arguments: { hook }, options }) {
    const server = client();
    const answer = await server.call('listReleases', { params: { name: hook }, query: options });
    const { releases, live_version, next_cursor } = answer;
    output.result(answer, releases.length === 0 ? ['no releases'] : releaseTable(releases, live_version));
    output.note(
      ...nextPage({
        commandLine: `osa hooks releases ${hook}`,
        options,
        server: server.server,
        cursor: next_cursor,
      }),
    );
    return undefined;
  },
});
