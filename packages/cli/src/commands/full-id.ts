import type { Params } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import type { Client } from '../http/client.ts';
import { time } from '../terminal/format.ts';
import { uuid } from '../terminal/parse.ts';

type Kind = Params<'findIds'>['kind'];

const scopes: Readonly<Record<Kind, readonly string[]>> = {
  ingestion: ['ingestions:read'],
  recompute: [],
  recall: [],
  comparison: [],
  replay: [],
  run: ['runs:read'],
  deploy: [],
  deposition: ['depositions:review'],
};

/** The commands that list those of a kind, where they are named otherwise than by its plural. */
const lists: Readonly<Partial<Record<Kind, string>>> = {
  recall: 'osa recall list',
  comparison: 'osa comparisons list HOOK',
};

/**
 * The id that begins with what was given, which may be all of it.
 *
 * @throws OsaError `not_found`; `usage` when several ids begin so, with those in `details.matches`
 */
export async function fullId(client: Client, kind: Kind, given: string): Promise<string> {
  if (uuid.test(given)) return given;
  const { items, has_more } = await client.call('findIds', {
    params: { kind, prefix: given },
    scopes: scopes[kind],
  });
  const [only] = items;
  if (only === undefined && has_more) {
    throw new OsaError('usage', `${given} begins the ids of too many ${kind}s; give more of it`, {
      field: 'id',
    });
  }
  if (only === undefined) {
    const list = lists[kind] ?? `osa ${kind}s list`;
    throw new OsaError(
      'not_found',
      `no ${kind} has an id that begins with ${given}; \`${list}\` shows them`,
      {
        field: 'id',
      },
    );
  }
  if (items.length === 1 && !has_more) return only.id;
  const matches = items.map(({ id, name, at }) => `${id}  ${name}, ${time(at)}`);
  const more = has_more ? ['…'] : [];
  const count = has_more ? `more than ${items.length}` : items.length;
  throw new OsaError(
    'usage',
    [`${given} begins the ids of ${count} ${kind}s; give more of it:`, ...matches, ...more].join('\n'),
    { field: 'id', details: { matches: items.map(({ id }) => id) } },
  );
}
