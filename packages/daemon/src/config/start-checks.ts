import { OsaError } from '@osa/core/error';
import type { Database } from '@osa/core/postgres/connection/connect';
import { requireSessions } from '@osa/core/postgres/connection/pooling';
import { excessRights, requireDurable, requireMigrated } from '@osa/core/postgres/migrate';
import { isDevelopmentOnly } from '@osa/core/runners/index';
import { systemCode } from '@osa/core/system/error';
import { excerpt } from '@osa/core/text';
import type { DaemonConfig } from './config.ts';

/** The issuer that `osad --dev` trusts, the audience of its tokens, and the start of its keys' kids. */
export const devIssuer = 'osa-dev';

/**
 * Refuses unsafe settings.
 *
 * @throws OsaError `usage` that names the setting
 */
export function requireSafe({ mode, part, host, trusted, runner }: Omit<DaemonConfig, 'database'>): void {
  const { machines, primary } = trusted;
  const isLoopback = /^(127(\.\d+){3}|::1|localhost)$/.test(host);
  if (mode === 'development' && !isLoopback) {
    throw refused(
      'OSA_HOST',
      `other machines can reach ${host}; --dev listens on this machine only, such as on 127.0.0.1`,
    );
  }
  if (mode === 'development') return;
  if (machines.length === 0 && !primary && part !== 'worker') {
    throw refused(
      'OSA_ISSUER',
      'no issuer is trusted, so nobody can deploy; set OSA_ISSUER and OSA_PUBLIC_KEY_FILE, or issuers in the file',
    );
  }
  requireSafeIssuers({ mode, trusted });
  if (isDevelopmentOnly(runner)) {
    throw refused(
      'OSA_RUNNER',
      `${runner} is for development only: its hooks can do all that the daemon can; set podman, docker or auto, and ` +
        'deploy hooks as images',
    );
  }
}

/**
 * Refuses development issuers in production, at start and at each reload. A key of `osad --dev` is recognised by its
 * `kid`: this finds keys that were copied by mistake, not disguised ones.
 *
 * @throws OsaError `usage` that names the setting
 */
export function requireSafeIssuers({ mode, trusted }: Pick<DaemonConfig, 'mode' | 'trusted'>): void {
  if (mode === 'development') return;
  for (const { issuer, keys } of trusted.machines) {
    if (issuer === devIssuer) {
      throw refused('OSA_ISSUER', `${devIssuer} is the issuer of osad --dev, for development only`);
    }
    const devKey = keys.find(({ kid }) => kid.startsWith(devIssuer));
    if (devKey) {
      throw refused(
        'OSA_PUBLIC_KEY',
        `the key ${excerpt(devKey.kid)} of the issuer ${excerpt(issuer)} was made by osad --dev, whose keys are for ` +
          'development only; make one with `osa keys generate`',
      );
    }
  }
}

/**
 * Refuses a pooler without sessions, a database that is not migrated or not durable, and a role that could rewrite history.
 *
 * @throws OsaError `conflict` (not migrated, ahead, or not durable), `access_denied` (owner, superuser), `unavailable`
 */
export async function requireFit(database: Database, config: DaemonConfig): Promise<void> {
  if (config.mode === 'production') await requireSessions(config.database.url);
  await requireMigrated(database);
  if (config.mode === 'development') return;
  await requireDurable(database);
  const reasons = await excessRights(database);
  if (reasons.length === 0) return;
  throw new OsaError(
    'access_denied',
    `DATABASE_URL: ${reasons.join(', and ')}; connect as the application's role (osa_app), which cannot rewrite history`,
    { field: 'DATABASE_URL' },
  );
}

/** A data directory that this user cannot write, or that is not a directory. */
export function unusableDirectory(directory: string, cause: unknown): unknown {
  const code = systemCode(cause);
  if (code === undefined || !/^E[A-Z]+$/.test(code)) return cause;
  const user = process.getuid?.();
  const who = user === undefined ? 'the user of osad' : `the user of osad (uid ${user})`;
  const message = `OSA_DATA_DIR: ${who} cannot use ${excerpt(directory)} (${code}); give it a directory that it owns`;
  return new OsaError('usage', message, { field: 'OSA_DATA_DIR', cause });
}

function refused(name: string, why: string): OsaError {
  return new OsaError('usage', `${name}: ${why}`, { field: name });
}
