import postgres from 'postgres';
import { OsaError } from '../../error.ts';
import { startParameters } from './session.ts';

/**
 * The error of the database, found in an error or among its causes. The predicates of this file look through an
 * OsaError in the same way, so a caller may ask either.
 */
export function databaseError(error: unknown): postgres.PostgresError | undefined {
  return causes(error).find((cause) => cause instanceof postgres.PostgresError);
}

/** 55P03: a lock was not had within `lock_timeout`, or at once under `nowait`. */
export function isLockTimeout(error: unknown): boolean {
  return databaseError(error)?.code === '55P03';
}

/** 57014: `statement_timeout`, or somebody cancelled the statement. */
export function isStatementTimeout(error: unknown): boolean {
  return databaseError(error)?.code === '57014';
}

/** 40001 and 40P01: the whole transaction may be tried again, and then may well succeed. */
export function isSerializationConflict(error: unknown): boolean {
  const code = databaseError(error)?.code;
  return code === '40001' || code === '40P01';
}

/** 53…, insufficient resources such as a full disk, and 58…, errors of the system: the server is to be mended. */
function isOutOfOrder(error: unknown): boolean {
  return /^5[38]/.test(databaseError(error)?.code ?? '');
}

/** The connection broke, was refused, or the server ended it or takes no more. */
export function isConnectionLost(error: unknown): boolean {
  return causes(error).some((cause) => lostCodes.has(codeOf(cause)) || codeOf(cause).startsWith('08'));
}

/**
 * Whether a write may or may not be stored: the connection was lost after COMMIT, or a statement of its own, was
 * sent and before its answer came. The caller reads the state instead of guessing.
 */
export function isCommitUnknown(error: unknown): boolean {
  return causes(error).some((cause) => cause instanceof OsaError && cause.details.commit === 'unknown');
}

/** An error of the driver as callers see it: `unavailable` where asking again can help, else as it came. */
export function translate(error: unknown): unknown {
  if (error instanceof OsaError) {
    return error;
  }
  if (isConnectionLost(error)) {
    return unavailable(`The database cannot be reached, or ended the connection (${reason(error)})`, error);
  }
  if (isLockTimeout(error)) {
    return unavailable('Another transaction held a lock for longer than lock_timeout', error);
  }
  if (isStatementTimeout(error)) {
    return unavailable('A statement took longer than statement_timeout, or was cancelled', error);
  }
  if (isOutOfOrder(error)) {
    return unavailable(
      `The database server has run out of something, or its disk fails (${reason(error)})`,
      error,
    );
  }
  return error;
}

/**
 * Translates an error that kept a connection from opening: whatever the server says, it may be mended at the
 * server.
 */
export function translateRefusal(error: unknown): unknown {
  const known = isRefusedSetting(error) ? error : translate(error);
  const code = databaseError(known)?.code;
  if (known instanceof OsaError || code === undefined) {
    return known;
  }
  const remedy = remedies[code] ?? 'Try again.';
  return new OsaError('unavailable', `The database refuses connections (${reason(known)}). ${remedy}`, {
    cause: known,
  });
}

/** 08P01, 0A000 and 42704: by a pooler that does not pass the parameters of a session's start on, or a server that lacks one. */
function isRefusedSetting(error: unknown): boolean {
  return ['08P01', '0A000', '42704'].includes(databaseError(error)?.code ?? '');
}

const passOn =
  'Something between osa and PostgreSQL, such as PgBouncer, does not pass on the settings of a session. Give osa the ' +
  'URL of PostgreSQL itself; or set pool_mode = session in PgBouncer, and ignore_startup_parameters = ' +
  `${startParameters().join(',')}.`;

/** Advice for refusals that waiting does not mend. */
const remedies: Readonly<Record<string, string>> = {
  '28P01': 'Check the user and the password in its URL.',
  '28000': 'Check the user in its URL, and whether it may log in.',
  '3D000': 'Check the name in its URL, and whether it has been made.',
  '42501': 'Grant the user in its URL the right to connect.',
  '08P01': passOn,
  '0A000': passOn,
  '42704': passOn,
};

/** The connection went away after `what` was sent and before its answer came. */
export function commitUnknown(what: string, cause: unknown): OsaError {
  return new OsaError(
    'unavailable',
    `The database connection was lost before ${what} was answered (${reason(cause)}): it may be stored or not. ` +
      'Read the state before trying again.',
    { details: { commit: 'unknown' }, cause },
  );
}

function unavailable(what: string, cause: unknown): OsaError {
  return new OsaError('unavailable', `${what}. Try again.`, { cause });
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** The error and its causes, the error first. The bound ends a chain that bites its own tail. */
function causes(error: unknown): readonly Error[] {
  const found: Error[] = [];
  for (let next = error; next instanceof Error && found.length < 8; next = next.cause) {
    found.push(next);
  }
  return found;
}

const lostCodes: ReadonlySet<string> = new Set([
  // The server ends or refuses connections.
  '57P01', // admin_shutdown, pg_terminate_backend
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now: starting up or shutting down
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '53300', // too_many_connections
  // The driver.
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  // Sockets and names.
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ENOENT',
  'EACCES',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_STREAM_DESTROYED',
]);
