import type { Answer } from '@osa/core/api';
import { asOsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { counted, nextPage, version } from '../../terminal/format.ts';
import { bold, green, type Line, line } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';
import { rowsText } from '../data/schema-rows.ts';
import { pauseLine } from '../pause.ts';
import { runTable } from '../runs/lines.ts';
import { releaseLines, releaseTable } from './lines.ts';

export const hooksShow = defineCommand({
  description:
    'Shows a hook: its live release, unfinished batches and current rows by release, its columns, its releases ' +
    'and its last five runs, newest first. Runs need a key whose tokens may carry runs:read.',
  arguments: { hook: { description: "the hook's name" } },
  examples: [['osa hooks show seismic_energy', 'what runs, and what has run']],
  json: '{"name", "owner", "feature", "release_count", "live_seq", "live": {the live release}, "rollback_to", "paused": {"at", "reason", "by"},\n"claimed": [{"version", "batches"}], "current_rows": [{"schema_id", "version", "rows"}], "last_runs": [as `osa runs list`],\n"releases": [the newest 50]}',
  async run({ client, output }, { arguments: { hook } }) {
    const server = client();
    const shown = await server.call('showHook', { params: { name: hook }, scopes: ['runs:read'] });
    const { releases, live_version, next_cursor } = await server.call('listReleases', {
      params: { name: hook },
    });
    const [rows, runs] = [await rowsOf(server, hook), await lastRuns(server, hook)];
    output.result({ ...shown, releases, current_rows: rows, last_runs: runs }, [
      line`${bold(shown.name)}  ${shown.feature.cardinality === 'one' ? 'one row' : 'many rows'} a record, of convention ${shown.owner}`,
      ...(shown.paused ? [pauseLine(shown.paused)] : []),
      ...liveLines(shown),
      ...shown.claimed.map(
        ({ version: claimed, batches }) =>
          line`${counted(batches, 'unfinished batch', 'unfinished batches')} under ${version(claimed)}`,
      ),
      ...rows.map(
        (part) =>
          line`${rowsText(part)} under ${version(part.version)} of ${part.schema_id.id}@${part.schema_id.version}`,
      ),
      '',
      ...table(['column', 'type', 'unit', 'description'], columnCells(shown.feature.columns)),
      '',
      ...releaseTable(releases, live_version),
      ...(runs.length > 0 ? ['', ...runTable(runs)] : []),
    ]);
    output.note(
      ...nextPage({
        commandLine: `osa hooks releases ${hook}`,
        options: {},
        server: server.server,
        cursor: next_cursor,
      }),
    );
    return undefined;
  },
});

/** The current rows, where the server can count them. */
async function rowsOf(client: Client, name: string): Promise<Answer<'currentRows'>['items']> {
  const answer = await client.call('currentRows', { params: { name } }).catch(refusedAs({ items: [] }));
  return answer.items.filter(({ rows }) => rows > 0);
}

/** The last five runs, for keys whose tokens may carry runs:read. */
async function lastRuns(client: Client, hook: string): Promise<Answer<'listRuns'>['items']> {
  const call = client.call('listRuns', { query: { hook, limit: 5 }, resource: hook });
  return (await call.catch(refusedAs({ items: [] }))).items;
}

/** Answers `instead` where a part cannot be read. */
function refusedAs<T>(instead: T): (error: unknown) => T {
  return (error) => {
    const code = asOsaError(error)?.code;
    if (code === undefined || code === 'interrupted') throw error;
    return instead;
  };
}

function liveLines({ live }: Answer<'showHook'>): Line[] {
  if (!live) return ['no release is live'];
  return [line`live: ${green(version(live.version))}`, ...pairs(releaseLines(live))];
}

/** The type of a number column says how it is kept. */
const typeNames: Readonly<Record<string, string>> = { number: 'number (double)' };

function columnCells(columns: Answer<'showHook'>['feature']['columns']) {
  return columns.map(({ name, json_type, format, required, unit, description }) => [
    name,
    `${format ?? typeNames[json_type] ?? json_type}${required ? '' : ', optional'}`,
    unit ?? null,
    description ?? null,
  ]);
}
