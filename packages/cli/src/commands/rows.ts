import type { Answer } from '@osa/core/api';
import { defineCommand } from '../command.ts';
import { nextPage, value, version } from '../format.ts';
import { newestVersion } from '../live-move.ts';
import type { Line } from '../paint.ts';
import { integer } from '../parse.ts';
import { type Cell, table } from '../table.ts';
import { pagingOptions } from './paging.ts';

export const rows = defineCommand({
  description:
    "Lists a hook's rows over the published records of its convention's schema: the newest version of each record, " +
    'as computed last.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    ...pagingOptions,
    release: { value: 'V', description: 'only rows made by this version', parse: integer(1, newestVersion) },
    history: { description: 'older versions of records and superseded rows as well' },
  },
  examples: [
    ['osa rows seismic_energy --limit 3', 'three rows, to trace one'],
    ['osa rows seismic_energy --release 1 --history', 'everything that v1 made'],
  ],
  json: '{"rows": [{"id", "record_srn", "run_id", "release", "created_at", …the columns}], "next_cursor", "has_more"}',
  async run({ client, output }, { arguments: { hook }, options: { history, ...page } }) {
    const server = client();
    const { owner, feature } = await server.call('showHook', { params: { name: hook } });
    const { schema_id: schema } = await server.call('showConvention', { params: { slug: owner } });
    const answer = await server.call('readRows', {
      params: { schema: `${schema.id}@${schema.version}`, feature: hook },
      query: { ...page, history: history ? 'true' : 'false' },
    });
    // No rows of a release that there is, and a release that there is not, are two answers.
    if (page.release !== undefined && answer.rows.length === 0) {
      await server.call('showRelease', { params: { name: hook, version: page.release } });
    }
    output.result(answer, rowLines(hook, feature.columns, answer));
    output.note(
      ...nextPage({
        commandLine: `osa rows ${hook}`,
        options: { ...page, history },
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});

type Columns = Answer<'showHook'>['feature']['columns'];
type Row = Readonly<Record<string, unknown>> & { readonly release: number };

function rowLines(hook: string, columns: Columns, answer: Answer<'readRows'>): Line[] {
  const found = answer.rows as readonly Row[];
  if (found.length === 0) return ['no rows'];
  const heads = columns.map(({ name, unit }) => (unit ? `${name} [${unit}]` : name));
  const cells = found.map((row): Cell[] => [
    `${hook}/${row.id}`,
    version(row.release),
    ...columns.map(({ name, json_type }) => value(row[name], json_type)),
    String(row.record_srn),
  ]);
  return table(['row', 'release', ...heads, 'record'], cells);
}
