import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import { nextPage, version } from '../../terminal/format.ts';
import { bold, green, type Line, line } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';
import { pauseLine } from '../pause.ts';
import { releaseLines, releaseTable } from './lines.ts';

export const hooksShow = defineCommand({
  description: 'Shows a hook: its live release, its columns and its releases, newest first.',
  arguments: { hook: { description: "the hook's name" } },
  examples: [['osa hooks show seismic_energy', 'what runs, and what has run']],
  json: '{"name", "owner", "feature", "release_count", "live_seq", "live": {the live release}, "rollback_to", "paused": {"at", "reason", "by"}, "releases": [the newest 50]}',
  async run({ client, output }, { arguments: { hook } }) {
    const server = client();
    const shown = await server.call('showHook', { params: { name: hook }, scopes: ['runs:read'] });
    const { releases, live_version, next_cursor } = await server.call('listReleases', {
      params: { name: hook },
    });
    output.result({ ...shown, releases }, [
      line`${bold(shown.name)}  ${shown.feature.cardinality === 'one' ? 'one row' : 'many rows'} a record, of convention ${shown.owner}`,
      ...(shown.paused ? [pauseLine(shown.paused)] : []),
      ...liveLines(shown),
      '',
      ...table(['column', 'type', 'unit', 'description'], columnCells(shown.feature.columns)),
      '',
      ...releaseTable(releases, live_version),
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
