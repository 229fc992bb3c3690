import { asOsaError, type OsaError } from '@osa/core/error';
import { suggest } from '@osa/core/suggest';
import { RefusalFromServer } from '../terminal/output.ts';

/** Asks the server for the names that it has. */
export interface Names {
  hooks(): Promise<string[]>;
  conventions(): Promise<string[]>;
}

/**
 * `refusal`, with the nearest name that the server has where it does not know a hook or a convention. It takes one more
 * request, and only after `not_found`; if it fails, the refusal stays as it is.
 */
export async function withNearName(
  refusal: OsaError,
  params: Readonly<Record<string, unknown>>,
  names: Names,
): Promise<OsaError> {
  const hook = params.name ?? params.hook ?? params.feature;
  const given = hook ?? params.slug;
  if (refusal.code !== 'not_found' || typeof given !== 'string') return refusal;
  const listed = hook === undefined ? names.conventions() : names.hooks();
  const known: string[] = await listed.catch((error: unknown): string[] => {
    if (asOsaError(error)) return [];
    throw error;
  });
  const near = known.includes(given) ? undefined : suggest(given, known);
  if (near === undefined) return refusal;
  const { code, message, field, details } = refusal;
  return new RefusalFromServer(code, `${message} (did you mean ${near}?)`, {
    field,
    details: { ...details, did_you_mean: near },
  });
}
