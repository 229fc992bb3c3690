import type { Client } from '../../http/client.ts';
import { bold, type Line, line, yellow } from '../../terminal/paint.ts';
import { otherSchemas, rowsText } from '../data/schema-rows.ts';
import type { Changes } from './lines.ts';

/**
 * The rows that a change of the convention's schema leaves under the version before: lists show them only where they are
 * asked for.
 */
export async function leftRows(client: Client, { convention_fields, hooks }: Changes): Promise<Line[]> {
  const change = convention_fields.find(({ path }) => path === 'schema');
  if (typeof change?.from !== 'string' || typeof change.to !== 'string') return [];
  const next = change.to;
  const lines = await Promise.all(
    hooks
      .filter(({ hook }) => hook === 'unchanged')
      .map(async ({ name }) => {
        const others = await otherSchemas(client, name, next);
        return others.map(
          (other) =>
            line`${yellow('!')} ${name}: ${rowsText(other)} of ${other.schema} are not among those of ${next}: ${bold(`osa rows ${name} --schema ${other.schema}`)}`,
        );
      }),
  );
  return lines.flat();
}
