import { OsaError } from '@osa/core/error';
import { connect } from '@osa/core/postgres/connection';
import { canLogIn, migrate } from '@osa/core/postgres/migrate';
import { databaseError } from '@osa/core/postgres/sqlstate';

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
    const advice = `, and no login yet: alter role "${appRole}" login password '…'`;
    return `${what}; the role ${appRole} has its rights${(await canLogIn(database, appRole)) ? '' : advice}`;
  } catch (error) {
    throw explain(error);
  } finally {
    await database.close();
  }
}

/** What operators get wrong, in their words; anything else is a fault of ours. */
function explain(error: unknown): unknown {
  const advice = {
    '3D000': 'make the database first',
    '28P01': 'check the user and the password in the URL',
    '28000': 'check the user in the URL, and whether it may log in',
    '42501': 'give the URL of the owner of the database, who may make tables and roles',
  }[databaseError(error)?.code ?? ''];
  if (advice === undefined || !(error instanceof Error)) return error;
  return new OsaError('usage', `${error.message}; ${advice}`, { cause: error });
}
