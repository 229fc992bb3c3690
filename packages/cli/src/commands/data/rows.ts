import type { Answer } from '@osa/core/api';
import { defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { nextPage, value, version } from '../../terminal/format.ts';
import { bold, type Line, line } from '../../terminal/paint.ts';
import { releaseVersion, text } from '../../terminal/parse.ts';
import { type Cell, table } from '../../terminal/table.ts';
import { pagingOptions } from '../paging.ts';
import { otherSchemas, rowsText } from './schema-rows.ts';

export const rows = defineCommand({
  description:
    'Lists the rows of a hook: for each published record, the newest version and its latest rows. By ' +
    "default it reads the records of the hook's convention at the schema version that the convention has now. " +
    '--schema reads another version, --convention another convention that names the hook.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    ...pagingOptions,
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
    ['osa rows seismic_energy --schema earthquake@1.0.0', 'rows of an older schema version'],
  ],
  json: '{"rows": [{"id", "record_srn", "run_id", "release", "created_at", …the columns}], "next_cursor", "has_more"}',
  async run({ client, output }, { arguments: { hook }, options: { history, schema, convention, ...page } }) {
    const server = client();
    const { owner, feature } = await server.call('showHook', { params: { name: hook } });
    const whose = convention ?? (schema === undefined ? owner : undefined);
    const read = schema ?? (await schemaOf(server, whose ?? owner));
    // Whoever names a schema, a convention, a release or a page knows what there is.
    const isWhole = whose === owner && page.release === undefined && page.cursor === undefined;
    const others = isWhole ? await otherSchemas(server, hook, read) : [];
    const answer = await server.call('readRows', {
      params: { schema: read, feature: hook },
      query: {
        ...page,
        ...(whose !== undefined && { convention: whose }),
        history: history ? 'true' : 'false',
      },
    });
    // No rows of a release that there is, and a release that there is not, are two answers.
    if (page.release !== undefined && answer.rows.length === 0) {
      await server.call('showRelease', { params: { name: hook, version: page.release } });
    }
    output.result(answer, rowLines(hook, feature.columns, answer));
    if (answer.rows.length === 0) {
      const which = read.includes('@') ? `schema ${read}` : `schema ${read}, at its highest version,`;
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
        options: { ...page, schema, convention, history },
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
