import { OsaError } from '@osa/core/error';
import type { Database } from '@osa/core/postgres/connection';
import { excessRights, requireMigrated } from '@osa/core/postgres/migrate';
import { isDevelopmentOnly } from '@osa/core/runners/index';
import type { DaemonConfig } from './config.ts';

/** The issuer that `osad --dev` trusts, and the audience of its tokens. */
export const devIssuer = 'osa-dev';

/**
 * Settings with which a daemon must not run, whoever put them together.
 *
 * @throws OsaError `usage` that names the setting
 */
export function requireSafe({ mode, role, host, trusted, runner }: Omit<DaemonConfig, 'database'>): void {
  const { machines, primary } = trusted;
  const isLoopback = /^(127(\.\d+){3}|::1|localhost)$/.test(host);
  if (mode === 'development' && !isLoopback) {
    throw refused('OSA_HOST', `${host} can be reached from other machines; --dev listens on 127.0.0.1 only`);
  }
  if (mode === 'development') return;
  if (machines.length === 0 && !primary && role !== 'worker') {
    throw refused(
      'OSA_ISSUER',
      'no issuer is trusted, so nobody could deploy; set OSA_ISSUER and OSA_PUBLIC_KEY_FILE, or issuers in the file',
    );
  }
  if (machines.some(({ issuer }) => issuer === devIssuer)) {
    throw refused('OSA_ISSUER', `${devIssuer} is the issuer of development, for osad --dev only`);
  }
  if (isDevelopmentOnly(runner)) {
    throw refused(
      'OSA_RUNNER',
      `${runner} is for development only: its hooks can do all that the daemon can; set podman, docker or auto, and ` +
        'deploy hooks as images',
    );
  }
}

/**
 * That the database is ours and as we need it, and that its role is one that the rules bind.
 *
 * @throws OsaError `conflict` (not migrated, or ahead), `access_denied` (owner, superuser), `unavailable`
 */
export async function requireFit(database: Database, { mode }: DaemonConfig): Promise<void> {
  await requireMigrated(database);
  if (mode === 'development') return;
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
