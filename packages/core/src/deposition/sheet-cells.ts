import { canonicalJson } from '../json/canonical.ts';
import type { FieldDefinition } from '../record/schema.ts';
import type { WrittenCell } from './spreadsheet/write.ts';

/** Says to somebody who fills in a cell what the field takes. */
export function describe({
  type,
  required,
  cardinality,
  description,
  constraints,
  examples,
}: Pick<
  FieldDefinition,
  'type' | 'required' | 'cardinality' | 'description' | 'constraints' | 'examples'
>): string {
  const unit = constraints && 'unit' in constraints && constraints.unit ? ` in ${constraints.unit}` : '';
  const kind = {
    text: 'text',
    number: 'a number',
    date: 'a date, as 2026-01-31',
    boolean: 'true or false',
    url: 'a URL',
  };
  const taken = cardinality === 'exactly_one' ? kind[type] : `${kind[type]}; several as a JSON list`;
  const [example] = examples ?? [];
  return [
    `${required ? 'required' : 'optional'}: ${taken}${unit}`,
    ...(description ? [description] : []),
    ...(example === undefined ? [] : [`such as ${example}`]),
  ]
    .map((part) => part.trim().replace(/\.$/, ''))
    .join('. ');
}

/** A value of the metadata in its cell; lists are JSON. */
export function writtenValue(
  { type, cardinality }: Pick<FieldDefinition, 'type' | 'cardinality'>,
  value: unknown,
): WrittenCell | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return { kind: 'text', text: value };
  const text = canonicalJson(value);
  // A program keeps doubles. Other numbers are texts, which keep their digits.
  const isDouble = type === 'number' && cardinality === 'exactly_one' && canonicalJson(Number(text)) === text;
  return { kind: isDouble ? 'number' : 'text', text };
}
