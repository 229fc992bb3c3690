import { OsaError } from '../error.ts';
import { asUnavailable, systemCode } from '../system/error.ts';

/** How the archive's storage can be at fault. An answer may say it: it names no path and no host. */
export type StorageFault = 'full' | 'read-only' | 'refusing' | 'failing' | 'unreachable' | 'silent';

/** Each fault, as the rest of a sentence that begins with the storage. */
export const storageFaults: Readonly<Record<StorageFault, string>> = {
  full: 'is full',
  'read-only': 'is read-only',
  refusing: 'refuses access to the daemon',
  failing: 'fails to read or write',
  unreachable: 'cannot be reached',
  silent: 'does not answer',
};

const faults: Readonly<Record<string, StorageFault | undefined>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EROFS: 'read-only',
  EACCES: 'refusing',
  EPERM: 'refusing',
  EIO: 'failing',
  EREMOTEIO: 'failing',
  ESTALE: 'failing',
  ENODEV: 'failing',
  ENOTCONN: 'failing',
};

/** `error` itself, or OsaError `unavailable` if the data directory or the machine is at fault, and may be mended. */
export function asStorageFault(error: unknown, doing: string): unknown {
  const code = systemCode(error);
  const fault = code === undefined ? undefined : faults[code];
  if (fault === undefined) return asUnavailable(error, doing);
  return new OsaError(
    'unavailable',
    `${doing} failed with ${code}: the data directory ${storageFaults[fault]}`,
    {
      details: { code, fault },
      cause: error,
    },
  );
}

/** The fault that an error names, if it is one of the storage. */
export function storageFaultOf({ details }: OsaError): StorageFault | undefined {
  const { fault } = details;
  return typeof fault === 'string' && Object.hasOwn(storageFaults, fault)
    ? (fault as StorageFault)
    : undefined;
}
