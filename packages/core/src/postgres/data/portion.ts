import type { Place, Portion } from '../../data/dataset.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import type { Fragment } from './visible.ts';
import type { Keys } from './walk.ts';

/** Values travel as JSON text, so that no number is rounded on the way. */
export interface Body {
  readonly n: string;
  readonly body: string;
}

/** How many rows are made, however large, before it is seen how large they are, and at most. */
const firstStep = 256;
const widestStep = 4_096;

type Measured<B> = B & { readonly bytes: string };

/**
 * The values of the rows at `places`: as many as were asked for, or as it takes for `bytes`; one at least, however large. They
 * are made some at a time, so that little is made in vain.
 */
export async function bodiesOf<B extends Body>(
  sql: Sql,
  places: readonly Place[],
  { bytes: most, bodies }: Pick<Portion, 'bytes'> & { readonly bodies: (ids: string) => Fragment },
): Promise<B[]> {
  const rows: B[] = [];
  let step = firstStep;
  for (let bytes = 0; rows.length < places.length && bytes < most; ) {
    const ids = places.slice(rows.length, rows.length + step).map(({ id }) => id);
    const size = sql`octet_length(body)`;
    const made = await sql<Measured<B>[]>`
      select * from (
        select *, sum(${size}) over (order by n) as bytes from (${bodies(arrayText(ids))}) made
      ) measured
      where bytes - ${size} < ${most - bytes} order by n`;
    rows.push(...made);
    bytes += Number(made.at(-1)?.bytes ?? 0);
    if (made.length < ids.length) return rows;
    const average = Math.max(1, bytes / rows.length);
    step = Math.max(firstStep, Math.min(widestStep, Math.floor((most - bytes) / average / 2)));
  }
  return rows;
}

/** Where to go on behind `taken` rows of those that were found with one more than `limit`. */
export function nextPlace({ places, end }: Keys, taken: number): Place | undefined {
  return taken < places.length ? places[taken - 1] : end;
}
