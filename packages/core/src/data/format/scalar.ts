import { isRawNumber } from '../../json/raw.ts';
import type { ColumnKind } from '../table.ts';
import { microseconds } from './time.ts';

/** A number or a time as the writers of Arrow and Parquet take it; any other value as it is. */
export function scalarOf(kind: ColumnKind, value: unknown): unknown {
  switch (kind) {
    case 'decimal':
    case 'double':
      return isRawNumber(value) ? Number(value.rawJSON) : value;
    case 'integer':
      return BigInt(isRawNumber(value) ? value.rawJSON : (value as number));
    case 'time':
      return microseconds(String(value));
    case 'date':
      return Date.parse(`${value}T00:00:00Z`) / 86_400_000;
    default:
      return value;
  }
}
