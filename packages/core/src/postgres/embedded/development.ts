import { connect, type Endpoint } from '../connection/connect.ts';
import { migrate } from '../migrate.ts';

const name = 'osa';
const appRole = 'osa_app';

/**
 * Makes the database of a development server if it is missing, brings it up to date, and answers how to connect to
 * it as the application's role. `admin` is a superuser of a server that trusts everybody who reaches it.
 *
 * @throws OsaError `conflict` when the database is ahead of this osa, `unavailable`
 */
export async function prepareDevelopmentDatabase(admin: Endpoint): Promise<Endpoint> {
  const server = connect({ url: admin, max: 1, applicationName: 'osad --dev' });
  try {
    const [found] = await server.sql`select from pg_database where datname = ${name}`;
    if (!found) await server.sql.unsafe(`create database ${name}`);
  } finally {
    await server.close();
  }
  const owner = connect({
    url: { ...admin, database: name },
    max: 1,
    applicationName: 'osad --dev',
    statementTimeoutMs: 0,
  });
  try {
    await migrate(owner, { appRole });
    await owner.sql.unsafe(`alter role ${appRole} login`);
  } finally {
    await owner.close();
  }
  return { ...admin, database: name, username: appRole };
}
