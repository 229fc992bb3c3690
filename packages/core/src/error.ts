/**
 * The one error class of osa. Every refusal names the field, the value, the rule and the next step in its
 * message; facts for programs go into `details`. Nobody parses a message.
 */
export class OsaError extends Error {
  override readonly name = 'OsaError';
  readonly code: ErrorCode;
  /** The path of the offending input, such as `hooks[0].feature.columns[2].json_type`. */
  readonly field: string | undefined;
  readonly details: Details;

  constructor(code: ErrorCode, message: string, options: OsaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options.field;
    this.details = options.details ?? {};
  }
}

export type Details = Readonly<Record<string, unknown>>;

export interface OsaErrorOptions {
  readonly field?: string | undefined;
  readonly details?: Details | undefined;
  readonly cause?: unknown;
}

/** The closed union of codes. The daemon maps each to an HTTP status, the CLI to an exit code, in one table each. */
export type ErrorCode = keyof typeof errorCodes;

/** Each code with its meaning in a few words; it is the `title` of the HTTP problem. */
export const errorCodes = {
  // The request.
  malformed: 'The request cannot be read',
  invalid: 'The request breaks a rule',
  too_large: 'The input is larger than the limit',
  range_not_satisfiable: 'The range is beyond the end',
  unsupported_media_type: 'The content type is not accepted here',
  method_not_allowed: 'The method is not allowed here',
  usage: 'The command or its files are wrong',
  // The caller.
  missing_token: 'A token is needed',
  invalid_token: 'The token is not accepted',
  access_denied: 'The token lacks a scope',
  rate_limited: 'Too many requests',
  credentials: 'No usable key or token',
  login_incomplete: 'The login is not complete',
  // The stored state.
  not_found: 'Not found',
  conflict: 'The request conflicts with stored data',
  precondition_failed: 'The state has changed in the meantime',
  idempotency_mismatch: 'The idempotency key was used with another request',
  in_progress: 'The same request is still in progress',
  // The service itself.
  unreachable: 'The server cannot be reached',
  busy: 'Something else holds what the request needs',
  damaged: 'Stored bytes are damaged',
  unavailable: 'The service is temporarily unavailable',
  lease_lost: 'The lease on the batch is lost',
  interrupted: 'Interrupted',
  internal: 'Internal error',
} as const;

/** `error` as an OsaError, or undefined when it is something else. */
export function asOsaError(error: unknown): OsaError | undefined {
  return error instanceof OsaError ? error : undefined;
}
