import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { text } from '../../terminal/parse.ts';

/** A text that becomes part of a notice. */
export const noticeOf = (description: string) =>
  ({ value: 'TEXT', description, parse: text(bounds.reasonLength) }) as const;

/** @throws OsaError `usage` where there is none */
export function reasonOf(given: string | undefined): string {
  if (given !== undefined && given.trim() !== '') return given;
  throw new OsaError('usage', '--reason: say why; every reader sees it, and it is kept', { field: 'reason' });
}
