import { asOsaError } from '@osa/core/error';
import type { Client } from '../../http/client.ts';
import { counted } from '../../terminal/format.ts';
import { bold, type Line, line } from '../../terminal/paint.ts';

/** Current rows of a hook over records of one schema version. */
export interface SchemaRows {
  /** `id@version`. */
  readonly schema: string;
  readonly rows: number;
}

/**
 * The current rows of a hook over records of other schema versions than `shown`. Only a hint: nothing fails where a server
 * cannot say.
 */
export async function otherSchemas(client: Client, hook: string, shown: string): Promise<SchemaRows[]> {
  const answer = await client.call('currentRows', { params: { name: hook } }).catch((error: unknown) => {
    if (asOsaError(error)) return { items: [] };
    throw error;
  });
  const schemas = Map.groupBy(answer.items, ({ schema_id: { id, version } }) => `${id}@${version}`);
  return [...schemas]
    .filter(([schema]) => schema !== shown)
    .map(([schema, parts]) => ({
      schema,
      rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    }))
    .filter(({ rows }) => rows > 0);
}

/**
 * Lines about the newest records of other schema versions, which a reading of one version leaves out. Only a hint: nothing fails
 * where a server cannot say.
 */
export async function otherRecords(
  client: Client,
  { others, convention }: { readonly others: readonly string[]; readonly convention: string },
): Promise<Line[]> {
  const lines: Line[] = [];
  for (const schema of others) {
    const described = await client
      .call('describeData', { params: { schema }, query: { convention } })
      .catch((error: unknown) => {
        if (asOsaError(error)) return { table_resources: [] };
        throw error;
      });
    const records = described.table_resources.find(({ name }) => name === 'records');
    const { row_count = 0, row_count_exact } = records ?? {};
    if (row_count === 0) continue;
    const count = `${row_count_exact ? '' : 'at least '}${counted(row_count, 'record')}`;
    lines.push(line`${count} more of ${schema}: ${bold(`osa records ${convention} --schema ${schema}`)}`);
  }
  return lines;
}

/** `10,000 rows`. */
export function rowsText({ rows }: Pick<SchemaRows, 'rows'>): string {
  return counted(rows, 'row');
}
