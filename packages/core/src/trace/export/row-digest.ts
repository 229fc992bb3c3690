import { sha256 } from '../../hook/release.ts';
import { canonicalJson } from '../../json/canonical.ts';

/** The content of a row's digest: its values, and the record. docs/receipts.md has test vectors. */
export interface DigestedRow {
  /** The record's SRN. */
  readonly record: string;
  readonly hook: string;
  readonly ordinal: number;
  readonly values: Readonly<Record<string, unknown>>;
}

/** SHA-256, as hex, over the RFC 8785 form of `{hook, ordinal, record, values}`. */
export function rowDigest({ record, hook, ordinal, values }: DigestedRow): string {
  return sha256(canonicalJson({ record, hook, ordinal, values }));
}
