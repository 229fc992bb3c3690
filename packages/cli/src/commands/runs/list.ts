import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { nextPage } from '../../terminal/format.ts';
import { releaseVersion, storedId } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { pagingOptions } from '../paging.ts';
import { runTable } from './lines.ts';

const statuses = ['passed', 'failed', 'error', 'open'] as const;

export const runsList = defineCommand({
  description: 'Lists runs of hooks, newest first. It needs a key whose tokens may carry runs:read.',
  arguments: { hook: { description: 'only runs of this hook', optional: true } },
  options: {
    status: { value: 'STATUS', description: `only ${statuses.join(', ')}`, parse: statusOf },
    release: { value: 'N', description: 'only of this release', parse: releaseVersion },
    ingestion: { value: 'ID', description: 'only of this ingestion', parse: storedId },
    recompute: { value: 'ID', description: 'only of this recompute', parse: storedId },
    ...pagingOptions,
  },
  examples: [
    ['osa runs list seismic_energy --status failed', 'the runs that failed'],
    ['osa runs list --ingestion 0198c0de-…', 'the runs of one ingestion'],
  ],
  json: '{"items": [{"id", "hook_name", "version", "status", "reason", "attempt_count", "oom_retries", "rows", …}], "next_cursor"}',
  async run({ client, output }, { arguments: { hook }, options }) {
    const archive = client();
    const ingestion =
      options.ingestion === undefined ? undefined : await fullId(archive, 'ingestion', options.ingestion);
    const recompute =
      options.recompute === undefined ? undefined : await fullId(archive, 'recompute', options.recompute);
    const answer = await archive.call('listRuns', {
      query: { ...options, ingestion, recompute, hook },
      ...(hook && { resource: hook }),
    });
    output.result(answer, answer.items.length === 0 ? ['no runs'] : runTable(answer.items));
    output.note(
      ...nextPage({
        commandLine: `osa runs list${hook === undefined ? '' : ` ${hook}`}`,
        options,
        server: archive.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});

function statusOf(given: string): (typeof statuses)[number] {
  const known = statuses.find((status) => status === given);
  if (known) return known;
  throw new OsaError('usage', `It must be ${statuses.join(', ')}.`);
}
