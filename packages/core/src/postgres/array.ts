import { arrayLiteral, nullElement, quoteElement } from '../array-literal.ts';

/**
 * Arrays are sent as the text of a PostgreSQL array and cast in SQL: the fastest way in, and one that depends on no
 * type that the driver guesses. Use as `${arrayText(list)}::text::bigint[]`.
 */
export function arrayText(values: readonly (string | number | null)[]): string {
  return arrayLiteral(values.map(element));
}

function element(value: string | number | null): string {
  if (value === null) return nullElement;
  return typeof value === 'number' ? String(value) : quoteElement(value);
}
