import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { OsaError } from '../../error.ts';
import { spawnIdentity } from './account.ts';
import { ensureServers, exists, type Places } from './places.ts';

export const superuser = 'osa';

/** Nothing is inherited: the caller's PG… variables, locale and library paths must not reach the server. */
export const serverEnvironment = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } as const;

const initdbTimeoutMs = 60_000;
/** The file is there, so its loader is not. */
const withoutLoader =
  '. Its programs need glibc, which Alpine Linux and other systems with musl lack: take another system, or give a server of ' +
  'your own (osad --dev --database)';

/**
 * Makes the cluster when there is none. It is made under another name and renamed when initdb has synced it to
 * disk, so that a crash in the middle leaves nothing that looks like a cluster.
 *
 * The locale is fixed, since initdb would pick SQL_ASCII under the C locale. Connections are trusted because the
 * socket's directory keeps everybody else out.
 *
 * @returns whether it was made
 * @throws OsaError `unavailable` with the end of initdb's output
 */
export async function ensureCluster({ account, base, data }: Places, binaries: string): Promise<boolean> {
  if (await exists(data)) {
    return false;
  }
  const unfinished = `${data}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await ensureServers(unfinished, account);
  const flags = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--auth=trust'];
  const result = await execa(
    join(binaries, 'bin', 'initdb'),
    [...flags, '--no-instructions', '-U', superuser, '-D', unfinished],
    {
      ...spawnIdentity(account),
      cwd: '/',
      env: serverEnvironment,
      extendEnv: false,
      stdin: 'ignore',
      all: true,
      reject: false,
      timeout: initdbTimeoutMs,
    },
  );
  if (result.failed) {
    const output = (result.all || result.originalMessage || '').slice(-2_000);
    throw new OsaError(
      'unavailable',
      `The embedded PostgreSQL cannot be set up: initdb failed: ${output}${result.code === 'ENOENT' ? withoutLoader : ''}`,
      {
        details: { exit_code: result.exitCode, output },
        cause: result,
      },
    );
  }
  await rename(unfinished, data);
  await syncDirectory(base);
  return true;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
