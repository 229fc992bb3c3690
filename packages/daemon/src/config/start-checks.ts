import { OsaError } from '@osa/core/error';
import type { Database } from '@osa/core/postgres/connection/connect';
import { excessRights, requireDurable, requireMigrated } from '@osa/core/postgres/migrate';
import { isDevelopmentOnly } from '@osa/core/runners/index';
import { excerpt } from '@osa/core/text';
import type { DaemonConfig } from './config.ts';

/** The issuer that `osad --dev` trusts, the audience of its tokens, and the start of its keys' kids. */
export const devIssuer = 'osa-dev';

/**
 * Settings with which a daemon must not run, whoever put them together.
 *
 * @throws OsaError `usage` that names the setting
 */
export function requireSafe({ mode, part, host, trusted, runner }: Omit<DaemonConfig, 'database'>): void {
  const { machines, primary } = trusted;
  const isLoopback = /^(127(\.\d+){3}|::1|localhost)$/.test(host);
  if (mode === 'development' && !isLoopback) {
    throw refused('OSA_HOST', `${host} can be reached from other machines; --dev listens on 127.0.0.1 only`);
  }
  if (mode === 'development') return;
  if (machines.length === 0 && !primary && part !== 'worker') {
    throw refused(
      'OSA_ISSUER',
      'no issuer is trusted, so nobody could deploy; set OSA_ISSUER and OSA_PUBLIC_KEY_FILE, or issuers in the file',
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
 * That nobody is trusted in production who is for development, at the start and whenever issuers are read again. A
 * key of `osad --dev` is known by its kid: that finds one which was carried over, not one that was meant to deceive.
 *
 * @throws OsaError `usage` that names the setting
 */
export function requireSafeIssuers({ mode, trusted }: Pick<DaemonConfig, 'mode' | 'trusted'>): void {
  if (mode === 'development') return;
  for (const { issuer, keys } of trusted.machines) {
    if (issuer === devIssuer) {
      throw refused('OSA_ISSUER', `${devIssuer} is the issuer of development, for osad --dev only`);
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
 * That the database is ours and as we need it, and that its role is one that the rules bind.
 *
 * @throws OsaError `conflict` (not migrated, or ahead; commits that are not kept), `access_denied` (owner, superuser), `unavailable`
 */
export async function requireFit(database: Database, { mode }: DaemonConfig): Promise<void> {
  await requireMigrated(database);
  if (mode === 'development') return;
  await requireDurable(database);
  const reasons = await excessRights(database);
  if (reasons.length === 0) return;
  throw new OsaError(
    'access_denied',
    `DATABASE_URL: ${reasons.join(', and ')}; connect as the application's role (osa_app), which cannot rewrite history`,
    { field: 'DATABASE_URL' },
  );
}

function refused(name: string, why: string): OsaError {
  return new OsaError('usage', `${name}: ${why}`, { field: name });
}
