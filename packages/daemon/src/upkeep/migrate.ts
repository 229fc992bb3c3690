import { OsaError } from '@osa/core/error';
import { connect } from '@osa/core/postgres/connection/connect';
import { databaseError } from '@osa/core/postgres/connection/sqlstate';
import { canLogIn, migrate } from '@osa/core/postgres/migrate';

/**
 * `osad migrate`: brings the tables up to date. `url` connects as the owner of the database.
 *
 * @returns a message to print
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
    const advice = `, but cannot log in yet; run: alter role "${appRole}" login password '…'`;
    return `${what}; the role ${appRole} has its rights${(await canLogIn(database, appRole)) ? '' : advice}`;
  } catch (error) {
    throw explain(error);
  } finally {
    await database.close();
  }
}

/** Explains missing rights: the URL is not that of the owner. */
function explain(error: unknown): unknown {
  if (error instanceof OsaError || !(error instanceof Error)) return error;
  if (databaseError(error)?.code !== '42501') return error;
  const advice = 'connect as the owner of the database, who may create tables and roles';
  return new OsaError('usage', `${error.message}; ${advice}`, { cause: error });
}
