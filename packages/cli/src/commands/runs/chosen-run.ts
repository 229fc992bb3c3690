import { OsaError } from '@osa/core/error';
import type { Client } from '../../http/client.ts';
import { storedId, text } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';

/** The one run that a command is about: by its id, or the last one. */

export const chosenRunOptions = {
  last: { description: 'the last run, instead of an id' },
  failed: { description: 'the last run that failed, or that the infrastructure gave up' },
  hook: { value: 'NAME', description: 'with --last or --failed: of this hook', parse: text(200) },
  ingestion: { value: 'ID', description: 'with --last or --failed: of this ingestion', parse: storedId },
} as const;

export interface ChosenRun {
  readonly last: boolean;
  readonly failed: boolean;
  readonly hook: string | undefined;
  readonly ingestion: string | undefined;
}

/** @throws OsaError `usage`, `not_found` */
export async function chosenRun(
  client: Client,
  given: string | undefined,
  { last, failed, hook, ingestion }: ChosenRun,
): Promise<string> {
  const usage = (message: string) => new OsaError('usage', message, { field: 'run' });
  if (given !== undefined) {
    if (last || failed) throw usage('a run and --last or --failed: give one of them');
    if (hook !== undefined || ingestion !== undefined)
      throw usage('--hook and --ingestion go with --last or --failed');
    return fullId(client, 'run', given);
  }
  if (!last && !failed) throw usage('which run? Give its id, --last or --failed');
  const within = ingestion === undefined ? undefined : await fullId(client, 'ingestion', ingestion);
  const statuses = failed ? (['failed', 'error'] as const) : [undefined];
  const pages = await Promise.all(
    statuses.map((status) =>
      client.call('listRuns', {
        query: { hook, ingestion: within, status, limit: 1 },
        ...(hook !== undefined && { resource: hook }),
      }),
    ),
  );
  const found = pages.flatMap(({ items }) => items);
  const newest = found.toSorted((one, other) => (one.created_at < other.created_at ? 1 : -1))[0];
  if (newest) return newest.id;
  const what = failed ? 'no run has failed' : 'there is no run';
  throw new OsaError('not_found', `${what}; \`osa runs list\` shows those that there are`, { field: 'run' });
}
