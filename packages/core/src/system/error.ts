import { OsaError } from '../error.ts';

/** Errors of the operating system that may pass. */
const passing = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EIO']);

/** `error.code` of an error of the operating system, such as `ENOENT`; undefined for an OsaError and for an aborted work. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof OsaError || !('code' in error)) return undefined;
  if (error.code === 'ABORT_ERR') return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** `error` itself, or OsaError `unavailable` if the machine temporarily lacks something, such as disk space. */
export function asUnavailable(error: unknown, doing: string): unknown {
  const code = systemCode(error);
  if (code === undefined || !passing.has(code)) return error;
  return new OsaError(
    'unavailable',
    `${doing} failed with ${code}; check the machine's disk space, memory and open files`,
    {
      details: { code },
      cause: error,
    },
  );
}
