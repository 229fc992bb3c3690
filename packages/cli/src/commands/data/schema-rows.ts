import { asOsaError } from '@osa/core/error';
import type { Client } from '../../http/client.ts';
import { counted } from '../../terminal/format.ts';

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

/** `10,000 rows`. */
export function rowsText({ rows }: Pick<SchemaRows, 'rows'>): string {
  return counted(rows, 'row');
}
