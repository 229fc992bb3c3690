import type { TableColumn } from '@osa/core/data/table';
import { bounds } from '@osa/core/limits';
import { defineCommand } from '../../command.ts';
import { nextPage, time, value } from '../../terminal/format.ts';
import type { Line } from '../../terminal/paint.ts';
import { text } from '../../terminal/parse.ts';
import { type Cell, table } from '../../terminal/table.ts';
import { chosenColumns, describedRecords, pageOptions, queryOptions, type ReadPage } from './query.ts';
import { askRecords } from './read-pages.ts';
import { recalledNotes } from './recalled.ts';
import { otherRecords } from './schema-rows.ts';
import { isPage, pageResult, sendTable } from './show.ts';

export const records = defineCommand({
  description:
    'Lists the published records of a convention, newest first: the newest version of each, at the schema version that the ' +
    'convention has now. --schema reads another version. --where, --sort and --columns take the fields of the schema, and source_id, ' +
    'srn, version and created_at.',
  arguments: { convention: { description: "the convention's slug" } },
  options: {
    ...queryOptions,
    schema: {
      value: 'ID[@VERSION]',
      description: 'records of this schema; without a version, of its highest one',
      parse: text(200),
    },
    history: { description: 'include older versions' },
  },
  examples: [
    ['osa records usgs-earthquakes --limit 3', 'the three newest'],
    [`osa records usgs-earthquakes --where 'magnitude >= 5' --sort magnitude:desc`, 'large ones first'],
    ['osa records usgs-earthquakes --out quakes.parquet', 'all of them in a file'],
    ['osa records usgs-earthquakes --as-of 2026-03-01', 'as it was then'],
  ],
  json: '{"rows": [{"id", "srn", "schema_id", "version", "created_at", "convention_id", "source_id", …the fields}], "next_cursor", "has_more", "as_of"}',
  async run(context, { arguments: { convention }, options }) {
    const server = context.client();
    const schema = options.schema ?? (await schemaOf());
    const { columns: all, others } = await describedRecords(server, { schema, convention });
    // A query that names a schema, a filter, a moment or a page knows what there is.
    const isWhole = !options.schema && !options.where && !options.asOf && !options.cursor;
    const columns = chosenColumns(options.history ? withCurrent(all) : all, options.columns);
    const query = {
      convention,
      history: options.history,
      where: options.where,
      ...(options.sort !== undefined && { sort: options.sort }),
      ...(options.asOf !== undefined && { as_of: options.asOf }),
    };
    const read = ({ cursor, limit }: Parameters<ReadPage>[0]) =>
      askRecords(server, schema, { ...query, limit, ...(cursor !== undefined && { cursor }) });
    if (!isPage({ options })) {
      await sendTable(context, {
        read,
        columns,
        options,
        identity: [server.server.url, 'records', schema, query],
      });
      if (isWhole) context.output.note(...(await otherRecords(server, { others, convention })));
      return undefined;
    }
    const limit = Math.min(options.limit ?? bounds.defaultPageRows, bounds.pageRows);
    const answer = await read({ cursor: options.cursor, limit });
    pageResult(context, answer, {
      options,
      lines: recordLines(columns, answer.rows, options.columns !== undefined),
    });
    context.output.note(...recalledNotes(answer.rows));
    if (isWhole) context.output.note(...(await otherRecords(server, { others, convention })));
    context.output.note(
      ...nextPage({
        commandLine: `osa records ${convention}`,
        options: { ...pageOptions(options), schema: options.schema, history: options.history },
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;

    async function schemaOf(): Promise<string> {
      const { schema_id: its } = await server.call('showConvention', { params: { slug: convention } });
      return `${its.id}@${its.version}`;
    }
  },
});

const isCurrent: TableColumn = {
  name: '_current',
  path: '_current',
  kind: 'boolean',
  type: 'boolean',
  isSearchable: false,
};

export function withCurrent(columns: readonly TableColumn[]): readonly TableColumn[] {
  return [...columns, isCurrent];
}

/** The columns of every record that say nothing about it. */
const heads = ['id', 'srn', 'schema_id', 'convention_id', 'created_at'];

function recordLines(
  columns: readonly TableColumn[],
  rows: readonly Readonly<Record<string, unknown>>[],
  isChosen: boolean,
): Line[] {
  if (rows.length === 0) return ['no records'];
  const shown = isChosen ? columns : columns.filter(({ name }) => !heads.includes(name));
  const cells = rows.map((row): Cell[] => [
    ...shown.map(({ name, kind }) =>
      name === 'created_at' ? time(String(row[name])) : value(row[name], kind),
    ),
    ...(isChosen ? [] : [String(row.srn)]),
  ]);
  const titles = shown.map(({ name, unit }) => (unit ? `${name} [${unit}]` : name));
  return table([...titles, ...(isChosen ? [] : ['record'])], cells);
}
