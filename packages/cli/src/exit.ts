import { asOsaError, type ErrorCode } from '@osa/core/error';

/** The exit code of `error`; any error but an OsaError is a bug of ours, and 1. */
export function exitCodeOf(error: unknown): number {
  const known = asOsaError(error);
  return known ? exitCodes[known.code] : exitCodes.internal;
}

/** The meaning of the exit codes, for `osa help exit-codes`. */
export const exitCodeHelp: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'done'],
  [1, 'refused, failed or not found; no record passed'],
  [2, 'wrong usage, or a file that cannot be used'],
  [
    3,
    'changes pending (deploy --plan), more than --max-changed (deploy --compare, hooks compare), a live release that has moved meanwhile (deploy --compare), or something differs (replay)',
  ],
  [4, 'no usable key, or a token that is not accepted or lacks a scope'],
  [5, 'the server cannot be reached or cannot answer'],
  [6, 'no running worker can start what waits; the ingestion is stored'],
  [7, 'the time of --timeout is over; what was waited for goes on'],
  [8, 'nothing differs, but something cannot be replayed or has no verdict (replay)'],
  [130, 'interrupted'],
];

/** The exit code of a comparison beyond --max-changed, and of a release held since the live one has moved. */
export const beyondExit = 3;

/** Exit codes of commands that wait for an ingestion and end before it does. */
export const waitExits = { unstartable: 6, timeout: 7 } as const;

/** Exit codes of a replay that is done. */
export const replayExits = { differs: 3, cannot: 8 } as const;

/** The one table from error code to exit code; `malformed` is a file that the server could not read. */
const exitCodes = {
  malformed: 2,
  usage: 2,

  invalid: 1,
  too_large: 1,
  range_not_satisfiable: 1,
  unsupported_media_type: 1,
  method_not_allowed: 1,
  not_found: 1,
  conflict: 1,
  precondition_failed: 1,
  idempotency_mismatch: 1,
  in_progress: 1,
  lease_lost: 1,
  damaged: 1,
  internal: 1,

  missing_token: 4,
  invalid_token: 4,
  access_denied: 4,
  rate_limited: 4,
  credentials: 4,
  login_incomplete: 4,

  busy: 5,
  unreachable: 5,
  unavailable: 5,

  interrupted: 130,
} as const satisfies Record<ErrorCode, number>;
