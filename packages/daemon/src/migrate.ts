import { connect } from '@osa/core/postgres/connection';
import { migrate } from '@osa/core/postgres/migrate';

/**
 * `osad migrate`: brings the database of `url`, its owner's, up to date. The answer is for people.
 *
 * @throws OsaError `conflict` (ahead, or changed), `invalid` (role), `unavailable`
 */
export async function migrateDatabase({
  url,
  appRole,
}: {
  readonly url: string;
  readonly appRole: string;
}): Promise<string> {
  const database = connect({
    url,
    max: 1,
    applicationName: 'osad migrate',
    statementTimeoutMs: 0,
    lockTimeoutMs: 60_000,
  });
  try {
    const applied = await migrate(database, { appRole });
    const what = applied.length === 0 ? 'nothing to apply' : `applied ${applied.join(', ')}`;
    return `${what}; the role ${appRole} has its rights`;
  } finally {
    await database.close();
  }
}
