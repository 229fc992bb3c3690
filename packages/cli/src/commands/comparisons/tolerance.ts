import { OsaError } from '@osa/core/error';

export interface Tolerance {
  readonly column: string;
  readonly allowed: { readonly abs: number } | { readonly rel: number } | { readonly any: true };
}

/** `energy_j=0.5`, `energy_j=1%` or `unit=any`. @throws OsaError `usage` */
export function toleranceOf(given: string): Tolerance {
  const [, column, number, percent] =
    /^([a-z][a-z0-9_]{0,62})=(\d{1,15}(?:\.\d{1,15})?(?:e[+-]?\d{1,3})?)(%)?$/i.exec(given) ?? [];
  const [, free] = /^([a-z][a-z0-9_]{0,62})=any$/.exec(given) ?? [];
  if (free !== undefined) return { column: free, allowed: { any: true } };
  if (column !== undefined && number !== undefined) {
    const value = Number(number);
    if (Number.isFinite(value)) return { column, allowed: percent ? { rel: value / 100 } : { abs: value } };
  }
  throw new OsaError(
    'usage',
    'It must be a column and a number or a share, such as energy_j=0.5, energy_j=1% or source=any.',
  );
}

/** Tolerances by column. @throws OsaError `usage` for a column that is given twice: nobody knows which one counts */
export function byColumn(given: readonly Tolerance[]): Record<string, Tolerance['allowed']> {
  const columns = given.map(({ column }) => column);
  const twice = columns.find((column, n) => columns.indexOf(column) !== n);
  if (twice === undefined) return Object.fromEntries(given.map(({ column, allowed }) => [column, allowed]));
  throw new OsaError('usage', `--tolerance: ${twice} has two of them; give one for each column`, {
    field: 'tolerance',
  });
}

/** `1%` or `1`. @throws OsaError `usage` */
export function percentOf(given: string): number {
  const [, number] = /^(\d{1,3}(?:\.\d{1,9})?)%?$/.exec(given) ?? [];
  if (number !== undefined && Number(number) <= 100) return Number(number);
  throw new OsaError('usage', 'It must be a share of the records, such as 1% or 0.5%.');
}
