import type { Problem } from '@osa/core/api/problem';
import { TokenFlaw } from '@osa/core/auth/compact';
import { asOsaError, type ErrorCode, errorCodes, OsaError } from '@osa/core/error';
import { storageFaultOf, storageFaults } from '@osa/core/storage/fault';
import { systemCode } from '@osa/core/system/error';
import { excerpt } from '@osa/core/text';
import { pathText, valueAt } from '@osa/core/value-path';
import type { z } from 'zod';

/** The HTTP status of each code. A code that no route should answer with is an internal error. */
export const statuses: Readonly<Record<ErrorCode, number>> = {
  malformed: 400,
  invalid: 422,
  too_large: 413,
  range_not_satisfiable: 416,
  unsupported_media_type: 415,
  method_not_allowed: 405,
  missing_token: 401,
  invalid_token: 401,
  access_denied: 403,
  rate_limited: 429,
  login_incomplete: 400,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  idempotency_mismatch: 422,
  in_progress: 409,
  busy: 503,
  damaged: 500,
  unavailable: 503,
  interrupted: 503,
  usage: 500,
  credentials: 500,
  unreachable: 500,
  lease_lost: 500,
  internal: 500,
};

/** Refusals of the HTTP layer, by Node's or fastify's code. These statuses are more precise than the table above. */
const transport: Readonly<Record<string, Refusal | undefined>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'malformed',
    message: 'the request did not arrive in time; send it again without pauses',
  },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'too_large',
    message: 'too many headers, or too large; send at most 100, of less than 16 KiB together',
  },
  FST_ERR_BAD_URL: { status: 400, code: 'malformed', message: 'the path is not valid percent-encoded UTF-8' },
  FST_ERR_MAX_PARAM_LENGTH: { status: 404, code: 'not_found', message: 'no name is that long' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'unsupported_media_type',
    message: 'the Content-Type cannot be read',
  },
  ECONNRESET: { status: 400, code: 'malformed', message: 'the request ended before it was complete' },
};

interface Refusal {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface ProblemAnswer {
  readonly status: number;
  readonly body: Problem;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the fault is ours, so that it must be logged. */
  readonly isOurs: boolean;
}

/** The answer to any error. Details of our own faults stay in the log: they name paths, hosts and statements. */
export function problemOf(error: unknown): ProblemAnswer {
  const code = systemCode(error);
  const refused = code === undefined ? undefined : transport[code];
  if (refused) return { status: refused.status, body: toProblem(refused), headers: {}, isOurs: false };
  const known = asOsaError(error);
  const status = statuses[known?.code ?? 'internal'];
  if (known && (status < 500 || known.code === 'busy')) {
    const { field, details } = known;
    const body = toProblem({ status, code: known.code, message: known.message }, { field, details });
    return { status, body, headers: challenge(known), isOurs: false };
  }
  return ours(known, status);
}

/** The body of a refusal of `/auth/me`, with the codes that the archive's SDK tells apart. */
export function refusedCaller(body: Problem, error: unknown): Problem {
  const cause = asOsaError(error)?.cause;
  const isExpired = cause instanceof TokenFlaw && cause.isExpired;
  return { ...body, detail: { code: isExpired ? 'token_expired' : body.code, message: body.message } };
}

/** The body of a refusal of a login, with what RFC 8628 and clients of the existing archive read. */
export function refusedLogin(body: Problem): Problem {
  const { error } = body.details ?? {};
  if (typeof error !== 'string') return body;
  if (body.code === 'login_incomplete') return { ...body, error, error_description: body.message };
  return { ...body, detail: { code: error, message: body.message } };
}

/** The error for input that breaks its schema. Each problem names its place, its value and the rule. */
export function invalidInput(error: z.ZodError, input: unknown, place = ''): OsaError {
  const [some, rest] = [error.issues.slice(0, maxProblems), error.issues.slice(maxProblems)];
  const found = some.flatMap((issue) => problemsOf(issue, input));
  const problems = found.slice(0, maxProblems);
  const [first] = problems;
  const count = rest.reduce((sum, issue) => sum + countOf(issue), found.length);
  const others = count > 1 ? ` (and ${count - 1} more, see details.problems)` : '';
  return new OsaError('invalid', `${place}${first?.message ?? 'is not valid'}${others}`, {
    field: first?.field,
    details: { problems },
  });
}

const maxProblems = 100;

function countOf(issue: z.core.$ZodIssue): number {
  return issue.code === 'unrecognized_keys' ? issue.keys.length : 1;
}

function problemsOf(issue: z.core.$ZodIssue, input: unknown): { field: string; message: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const field = pathText([...issue.path, key]);
      return { field, message: `${excerptOfPath(field)}: is not known here` };
    });
  }
  const field = pathText(issue.path);
  const value = valueAt(input, issue.path);
  const shown = value === undefined ? 'is missing' : excerpt(value);
  const rule = issue.message.replace(/^Invalid input: /, '');
  return [{ field, message: `${field === '' ? 'the body' : excerptOfPath(field)}: ${shown}: ${rule}` }];
}

/** A path holds keys that the caller chose. */
function excerptOfPath(path: string): string {
  return excerpt(path, 200).slice(1, -1);
}

function ours(known: OsaError | undefined, status: number): ProblemAnswer {
  if (known?.code === 'unavailable' || known?.code === 'interrupted') {
    const fault = storageFaultOf(known);
    const message =
      fault === undefined
        ? 'the service cannot answer at the moment; try again in a second'
        : `the archive's storage ${storageFaults[fault]}; tell the operator, and try again later`;
    const { commit } = known.details;
    const details = commit === undefined ? {} : { commit };
    const body = toProblem({ status, code: 'unavailable', message }, { details });
    return { status, body, headers: { 'retry-after': '1' }, isOurs: true };
  }
  if (known?.code === 'damaged') {
    const { sha256 } = known.details;
    const isDigest = typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256);
    const message =
      `the stored bytes${isDigest ? ` of sha256:${sha256}` : ''} are damaged or missing, so they are not served; tell the operator, ` +
      'who restores them from a backup (osad storage check names all damages)';
    const body = toProblem({ status, code: 'damaged', message }, { details: isDigest ? { sha256 } : {} });
    return { status, body, headers: {}, isOurs: true };
  }
  const message = 'something went wrong on our side; see the log of the daemon';
  return { status, body: toProblem({ status, code: 'internal', message }), headers: {}, isOurs: true };
}

function toProblem(
  { status, code, message }: Refusal,
  { field, details = {} }: { field?: string | undefined; details?: OsaError['details'] } = {},
): Problem {
  return {
    type: `urn:osa:error:${code}`,
    title: errorCodes[code],
    status,
    detail: message,
    code,
    message,
    ...(field !== undefined && { field }),
    ...(Object.keys(details).length > 0 && { details }),
  };
}

/** `WWW-Authenticate` by RFC 6750, section 3, or `Retry-After`. */
function challenge({ code, details }: OsaError): Record<string, string> {
  if (code === 'missing_token') return { 'www-authenticate': 'Bearer' };
  if (code === 'busy' || code === 'rate_limited')
    return { 'retry-after': String(details.retry_after_seconds ?? 1) };
  if (code === 'invalid_token') return { 'www-authenticate': 'Bearer error="invalid_token"' };
  if (code !== 'access_denied') return {};
  const { scope } = details;
  // A scope may hold a name from the path, so it is repeated only if the header's grammar allows it.
  const isToken = typeof scope === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope);
  const named = isToken ? `, scope="${scope}"` : '';
  return { 'www-authenticate': `Bearer error="insufficient_scope"${named}` };
}
