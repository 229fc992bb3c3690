import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OsaError } from '../../error.ts';

/** A user of this machine, as the kernel knows it. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The accounts that may run the server, the preferred one first. PostgreSQL refuses to run as root, so root
 * hands it to an account that exists everywhere and owns nothing of value: `postgres`, else `daemon`. It is not
 * `nobody`, under which hooks run in containers, and not an unnamed uid, which initdb refuses.
 * An ordinary user runs the server as itself.
 *
 * @throws OsaError `unavailable` when we are root and neither account exists
 */
export async function serverAccounts(): Promise<readonly [Account, ...Account[]]> {
  const self = ourselves();
  if (self.uid !== 0) {
    return [self];
  }
  const passwd = await readFile('/etc/passwd', 'utf8');
  const [first, ...others] = ['postgres', 'daemon'].flatMap((name) => parseAccount(passwd, name) ?? []);
  if (first === undefined) {
    throw new OsaError(
      'unavailable',
      'The embedded PostgreSQL cannot run as root, and /etc/passwd has neither an account "postgres" nor ' +
        '"daemon" to run it under: start as an ordinary user, or give a server of your own (osad --dev --database, DATABASE_URL for tests)',
    );
  }
  return [first, ...others];
}

/** Our own effective ids; -1 on a platform without them, for which there is no server either. */
export function ourselves(): Account {
  return { uid: process.geteuid?.() ?? -1, gid: process.getegid?.() ?? -1 };
}

/** Options that make `spawn` run a process under the account. Node drops the supplementary groups then. */
export function spawnIdentity(account: Account): { readonly uid?: number; readonly gid?: number } {
  return account.uid === ourselves().uid ? {} : { uid: account.uid, gid: account.gid };
}

/**
 * The first of the path and its ancestors, from the root on, which the account may not search; undefined when it
 * reaches the path. Only mode bits count: an access control list that grants more is not seen, which is safe.
 */
export async function unreachablePart(account: Account, path: string): Promise<string | undefined> {
  for (const part of withAncestors(await realpath(path))) {
    const { uid, gid, mode } = await stat(part);
    const searchable = uid === account.uid ? mode & 0o100 : gid === account.gid ? mode & 0o010 : mode & 0o001;
    if (searchable === 0) {
      return part;
    }
  }
  return undefined;
}

function withAncestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [...withAncestors(parent), path];
}

/** The line of passwd(5) for a name: `name:password:uid:gid:comment:home:shell`. Uid 0 under any name is root. */
function parseAccount(passwd: string, name: string): Account | undefined {
  const fields = passwd
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
    ?.split(':');
  const [uid, gid] = [Number(fields?.[2]), Number(fields?.[3])];
  return Number.isInteger(uid) && Number.isInteger(gid) && uid > 0 ? { uid, gid } : undefined;
}
