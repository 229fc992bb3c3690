import type { Place, Portion } from '../../data/dataset.ts';
import { rowMark } from '../../json/written.ts';
import { arrayText } from '../array.ts';
import type { Sql } from '../connection/connect.ts';
import type { Fragment } from './visible.ts';
import type { Keys } from './walk.ts';

/** Values travel as JSON text, so that no number is rounded on the way. */
export interface Body {
  readonly n: string;
  readonly body: string;
}

/** Makes bodies of the rows with these ids, with `n`, their order. */
type Bodies = (ids: string) => Fragment;
type Bounded = Pick<Portion, 'bytes'> & { readonly bodies: Bodies };

/** How many rows are made, however large, before it is seen how large they are, and at most. */
const firstStep = 256;
export const widestStep = 4_096;

type Measured<B> = B & { readonly bytes: string };

/**
 * The values of the rows at `places`: as many as were asked for, or as it takes for `bytes`; one at least, however large.
 */
export async function bodiesOf<B extends Body>(
  sql: Sql,
  places: readonly Place[],
  { bytes, bodies }: Bounded,
): Promise<B[]> {
  const rows: B[] = [];
  await inSteps(places, bytes, async (ids, left) => {
    const made = await sql<Measured<B>[]>`${measured(sql, bodies(ids), left)} order by n`;
    rows.push(...made);
    return { count: made.length, bytes: Number(made.at(-1)?.bytes ?? 0) };
  });
  return rows;
}

/** The rows of `bodiesOf` in one text for each step, with `rowMark` between the rows. */
export async function textsOf(
  sql: Sql,
  places: readonly Place[],
  { bytes, bodies }: Bounded,
): Promise<{ readonly texts: readonly string[]; readonly count: number }> {
  const texts: string[] = [];
  const count = await inSteps(places, bytes, async (ids, left) => {
    const [made] = await sql<{ text: string | null; count: number; bytes: string }[]>`
      select string_agg(body, ${rowMark}::text order by n) as text, count(*)::integer as count,
             coalesce(max(bytes), 0) as bytes
      from (${measured(sql, bodies(ids), left)}) made`;
    if (made?.text) texts.push(made.text);
    return { count: made?.count ?? 0, bytes: Number(made?.bytes ?? 0) };
  });
  return { texts, count };
}

/** Those bodies that begin within `left` bytes, with the `bytes` of all until each of them. */
function measured(sql: Sql, bodies: Fragment, left: number): Fragment {
  const size = sql`octet_length(body)`;
  return sql`
    select * from (select *, sum(${size}) over (order by n) as bytes from (${bodies}) made) measured
    where bytes - ${size} < ${left}`;
}

/** Takes the rows at `places` some at a time, so that little is made in vain; gives how many were made. */
async function inSteps(
  places: readonly Place[],
  most: number,
  make: (ids: string, left: number) => Promise<{ readonly count: number; readonly bytes: number }>,
): Promise<number> {
  let step = nextStep();
  let taken = 0;
  for (let bytes = 0; taken < places.length && bytes < most; ) {
    const ids = places.slice(taken, taken + step).map(({ id }) => id);
    const made = await make(arrayText(ids), most - bytes);
    taken += made.count;
    bytes += made.bytes;
    if (made.count < ids.length) return taken;
    step = nextStep({ count: taken, bytes, left: most - bytes });
  }
  return taken;
}

/** How many rows to make after those that were made, if any: no more than are likely to fit. */
export function nextStep(made?: {
  readonly count: number;
  readonly bytes: number;
  readonly left: number;
}): number {
  if (!made) return firstStep;
  const average = Math.max(1, made.bytes / Math.max(1, made.count));
  return Math.max(firstStep, Math.min(widestStep, Math.floor(made.left / average / 2)));
}

/** Where to go on behind `taken` rows of those that were found with one more than `limit`. */
export function nextPlace({ places, end }: Keys, taken: number): Place | undefined {
  return taken < places.length ? places[taken - 1] : end;
}
