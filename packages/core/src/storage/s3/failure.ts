import { systemCode } from '../../system/error.ts';
import { excerpt } from '../../text.ts';
import type { StorageFault } from '../fault.ts';
import { text } from './xml.ts';

/** The fault of a store, where a sender may hear it; undefined for one that only asks for patience. */
export function faultOf({ code, status }: Failure): StorageFault | undefined {
  if (code === 'timeout') return 'silent';
  if (status === undefined) return 'unreachable';
  if (['QuotaExceeded', 'XMinioStorageFull'].includes(code)) return 'full';
  if (['MethodNotAllowed', 'ReadOnly'].includes(code)) return 'read-only';
  return status === 403 ? 'refusing' : undefined;
}

/** Why a request to a store failed. */
export interface Failure {
  /** The store's own word, such as `SlowDown`, or the operating system's. */
  readonly code: string;
  readonly status: number | undefined;
  /** For the person who runs the daemon. */
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

const passingStatuses = [429, 500, 502, 503, 504];
const passingCodes = [
  'RequestTimeout',
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'OperationAborted',
];

/** Whether another try may help. */
export function isPassing({ status, code }: Failure): boolean {
  return status === undefined || passingStatuses.includes(status) || passingCodes.includes(code);
}

/** By the codes of Amazon, and of others that add their own. */
const advice: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'it does not know the key; check OSA_S3_ACCESS_KEY_ID',
  SignatureDoesNotMatch:
    'it refuses the signature; check OSA_S3_SECRET_ACCESS_KEY_FILE and the region of OSA_STORAGE',
  InvalidSecurity: 'it refuses the credentials; check OSA_S3_ACCESS_KEY_ID and OSA_S3_SECRET_ACCESS_KEY_FILE',
  AuthorizationHeaderMalformed: 'it refuses the signature; check the region of OSA_STORAGE',
  AccessDenied:
    'the key may not do this; give it the rights to list, read, write and delete below the prefix',
  NoSuchBucket: 'there is no such bucket; create it, or mend OSA_STORAGE',
  PermanentRedirect: 'the bucket is elsewhere; mend the endpoint or the region of OSA_STORAGE',
  QuotaExceeded: 'it is full; raise its quota, or remove what nothing needs with osad storage gc',
  XMinioStorageFull: 'it is full; give it more space',
  BrokenMPU: 'parts of this object are gone or damaged there; restore it from a backup',
  SlowDown: 'it asks for fewer requests; try again later',
  MethodNotAllowed: 'it refuses writes; is it read-only?',
  ReadOnly: 'it is read-only',
};

interface Answered {
  readonly status: number;
  readonly headers: Headers;
}

export function failureOf({ status, headers }: Answered, body: string): Failure {
  const code = text(body, 'Code') || codeOfStatus(status);
  const asked = Number(headers.get('retry-after'));
  return {
    code,
    status,
    message: messageOf({ code, status, date: headers.get('date'), said: text(body, 'Message') }),
    ...(asked > 0 && { retryAfterMs: asked * 1_000 }),
  };
}

interface Said {
  readonly code: string;
  readonly status: number;
  readonly date: string | null;
  readonly said: string | undefined;
}

function messageOf({ code, status, date, said }: Said): string {
  const answer = `${status} ${excerpt(code, 60)}`;
  if (code === 'RequestTimeTooSkewed') {
    const own = new Date().toUTCString();
    return `the clocks differ: it is ${date ?? 'another time'} there and ${own} here; set the clocks (${answer})`;
  }
  const known = Object.hasOwn(advice, code) ? advice[code] : undefined;
  return `${known ?? (said === undefined ? 'it refused a request' : excerpt(said, 300))} (${answer})`;
}

/** An answer to HEAD has no body, and proxies have their own. */
function codeOfStatus(status: number): string {
  if (status === 301 || status === 307) return 'PermanentRedirect';
  if (status === 403) return 'AccessDenied';
  if (status === 404) return 'NotFound';
  if (status === 405) return 'MethodNotAllowed';
  if (status === 507) return 'QuotaExceeded';
  return status === 503 ? 'ServiceUnavailable' : `Status${status}`;
}

/** A failure without an answer: the store is gone, too slow, or closed the connection. */
export function unreachable(error: unknown, { isLate }: { readonly isLate: boolean }): Failure {
  if (isLate)
    return { code: 'timeout', status: undefined, message: 'it did not answer in time', cause: error };
  const code =
    causes(error)
      .map(systemCode)
      .find((found) => found !== undefined) ?? 'broken';
  return {
    code,
    status: undefined,
    message: `it cannot be reached, or broke the connection (${code}); check the endpoint of OSA_STORAGE`,
    cause: error,
  };
}

function causes(error: unknown): unknown[] {
  const found: unknown[] = [];
  for (let one = error; one instanceof Error && found.length < 5; one = one.cause) found.push(one);
  return found;
}
