import { OsaError } from '../../error.ts';
import { HookName } from '../../hook/hook.ts';
import type { DrawnResult, NamedRow, NewPart, ReplayWrites } from './replays.ts';

const mostNamed = 5;

/**
 * The results that rows are of. Rows of one record are of one result.
 *
 * @throws OsaError `invalid`, `not_found`: nothing is done where one of them is not a published row
 */
export async function locatedRows(
  replays: ReplayWrites,
  names: readonly string[],
): Promise<readonly DrawnResult[]> {
  const wanted = Map.groupBy(names.map(rowOf), ({ hook }) => hook);
  const results: DrawnResult[] = [];
  const missing: string[] = [];
  for (const [hook, rows] of wanted) {
    const located = await replays.locate(
      hook,
      rows.map(({ id }) => id),
    );
    const known = new Set(located.map(({ id }) => id));
    missing.push(...rows.filter(({ id }) => !known.has(id)).map(({ id }) => `${hook}/${id}`));
    results.push(...located);
  }
  if (missing.length === 0) return results;
  const more = missing.length > mostNamed ? `, and ${missing.length - mostNamed} more` : '';
  throw new OsaError(
    'not_found',
    `rows: no such row is published: ${missing.slice(0, mostNamed).join(', ')}${more}; nothing was started`,
    { field: 'rows', details: { count: missing.length, rows: missing.slice(0, 100) } },
  );
}

function rowOf(name: string, index: number): NamedRow {
  const [, hook, id] = /^([^/]+)\/([1-9]\d{0,15})$/.exec(name) ?? [];
  if (hook !== undefined && HookName.safeParse(hook).success && Number.isSafeInteger(Number(id))) {
    return { hook, id: Number(id) };
  }
  throw new OsaError(
    'invalid',
    `rows[${index}]: ${JSON.stringify(name)} is not the name of a row, such as seismic_energy/17`,
    { field: `rows[${index}]` },
  );
}

/** Results by their run, each once. */
export function partsOf(results: readonly DrawnResult[]): NewPart[] {
  return [...Map.groupBy(results, ({ run }) => run)].map(([run, own]) => ({
    run,
    hook: own[0]?.hook ?? '',
    whole: false,
    outcomes: [...new Set(own.map(({ outcome }) => outcome))],
  }));
}
