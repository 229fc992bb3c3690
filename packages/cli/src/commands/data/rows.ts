import type { Answer } from '@osa/core/api';
import { rowTable, type TableColumn } from '@osa/core/data/table';
import { bounds } from '@osa/core/limits';
import { defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { nextPage, value, version } from '../../terminal/format.ts';
import { bold, type Line, line } from '../../terminal/paint.ts';
import { releaseVersion, text } from '../../terminal/parse.ts';
import { type Cell, table } from '../../terminal/table.ts';
import { chosenColumns, pageOptions, queryOptions, type ReadPage } from './query.ts';
import { askRows } from './read-pages.ts';
import { recalledNotes } from './recalled.ts';
import { otherSchemas, rowsText } from './schema-rows.ts';
import { isPage, pageResult, sendTable } from './show.ts';

export const rows = defineCommand({
  description:
    'Lists the rows of a hook: for each published record, the newest version and its latest rows. By ' +
    "default it reads the records of the hook's convention at the schema version that the convention has now. " +
    '--schema reads another version, --convention another convention that names the hook. --where, --sort and --columns take the ' +
    'columns of the hook, and id, record_srn, record_source_id, run_id, release and created_at.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    ...queryOptions,
    release: { value: 'V', description: 'only rows made by this version', parse: releaseVersion },
    schema: {
      value: 'ID[@VERSION]',
      description: 'records of this schema; without a version, of its highest one',
      parse: text(200),
    },
    convention: { value: 'SLUG', description: 'records of this convention', parse: text(200) },
    history: { description: 'include older versions of records, and superseded rows' },
  },
  examples: [
    ['osa rows seismic_energy --limit 3', 'three rows'],
    ['osa rows seismic_energy --release 1 --history', 'all rows that v1 made'],
    [`osa rows seismic_energy --where 'energy_j > 1e9' --sort energy_j:desc`, 'the largest first'],
    ['osa rows seismic_energy --out energy.csv', 'all rows in a file'],
    ['osa rows seismic_energy --schema earthquake@1.0.0', 'rows of an older schema version'],
  ],
  json: '{"rows": [{"id", "record_srn", "run_id", "release", "created_at", …the columns}], "next_cursor", "has_more"}',
  async run(context, { arguments: { hook }, options }) {
    const { client, output } = context;
    const { history, schema, convention, release } = options;
    const server = client();
    const { owner, feature } = await server.call('showHook', { params: { name: hook } });
    const whose = convention ?? (schema === undefined ? owner : undefined);
    const schemaRead = schema ?? (await schemaOf(server, whose ?? owner));
    const contract = feature as unknown as Parameters<typeof rowTable>[1];
    const columns = chosenColumns(
      rowTable(hook, contract, { history, provenance: false }).columns,
      options.columns,
    );
    const query = {
      history,
      where: options.where,
      ...(whose !== undefined && { convention: whose }),
      ...(release !== undefined && { release }),
      ...(options.sort !== undefined && { sort: options.sort }),
      ...(options.asOf !== undefined && { as_of: options.asOf }),
    };
    const read = ({ cursor, limit }: Parameters<ReadPage>[0]) =>
      askRows(
        server,
        { schema: schemaRead, feature: hook },
        { ...query, limit, ...(cursor !== undefined && { cursor }) },
      );
    if (!isPage({ options })) {
      await sendTable(context, {
        read,
        columns,
        options,
        identity: [server.server.url, hook, schemaRead, query],
      });
      return undefined;
    }
    // A query that names a schema, a convention, a release, a filter or a page knows what there is.
    const isWhole =
      whose === owner && release === undefined && options.cursor === undefined && !options.where;
    const others = isWhole ? await otherSchemas(server, hook, schemaRead) : [];
    const limit = Math.min(options.limit ?? bounds.defaultPageRows, bounds.pageRows);
    const answer = await read({ cursor: options.cursor, limit });
    // No rows of a release that there is, and a release that there is not, are two answers.
    if (release !== undefined && answer.rows.length === 0) {
      await server.call('showRelease', { params: { name: hook, version: release } });
    }
    const lines = options.columns
      ? chosenLines(columns, answer)
      : rowLines(hook, feature.columns, { rows: answer.rows, history });
    pageResult(context, answer, { options, lines });
    output.note(...recalledNotes(answer.rows));
    if (answer.rows.length === 0) {
      const which = schemaRead.includes('@')
        ? `schema ${schemaRead}`
        : `schema ${schemaRead}, at its highest version,`;
      output.note(`records of ${which} were read; --schema ID@VERSION reads those of another`);
    }
    output.note(
      ...others.map(
        (other) =>
          line`${rowsText(other)} more of ${other.schema}: ${bold(`osa rows ${hook} --schema ${other.schema}`)}`,
      ),
    );
    output.note(
      ...nextPage({
        commandLine: `osa rows ${hook}`,
        options: { ...pageOptions(options), release, schema, convention, history },
        server: server.server,
        cursor: answer.next_cursor,
      }),
    );
    return undefined;
  },
});

/** The schema of a convention, with its version: others may have registered a higher one. */
async function schemaOf(client: Client, slug: string): Promise<string> {
  const { schema_id: schema } = await client.call('showConvention', { params: { slug } });
  return `${schema.id}@${schema.version}`;
}

function chosenLines(columns: readonly TableColumn[], { rows }: Answer<'readRows'>): Line[] {
  if (rows.length === 0) return ['no rows'];
  const cells = rows.map((row): Cell[] => columns.map(({ name, type }) => value(row[name], type)));
  return table(
    columns.map(({ name, unit }) => (unit ? `${name} [${unit}]` : name)),
    cells,
  );
}

type Columns = Answer<'showHook'>['feature']['columns'];
type Row = Readonly<Record<string, unknown>> & { readonly release: number };

function rowLines(
  hook: string,
  columns: Columns,
  { rows: listed, history }: Pick<Answer<'readRows'>, 'rows'> & { readonly history: boolean },
): Line[] {
  const found = listed as readonly Row[];
  if (found.length === 0) return ['no rows'];
  const heads = columns.map(({ name, unit }) => (unit ? `${name} [${unit}]` : name));
  const cells = found.map((row): Cell[] => [
    `${hook}/${row.id}`,
    version(row.release),
    ...(history ? [value(row._current)] : []),
    ...columns.map(({ name, json_type }) => value(row[name], json_type)),
    String(row.record_srn),
  ]);
  return table(['row', 'release', ...(history ? ['_current'] : []), ...heads, 'record'], cells);
}
