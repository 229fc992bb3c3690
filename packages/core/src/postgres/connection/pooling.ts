import { OsaError } from '../../error.ts';
import { connect, type Database, type Endpoint } from './connect.ts';

const rounds = 5;

/**
 * Refuses a pooler that gives each transaction another server. The server process of a session never changes, and no other
 * session has it while both are open; between transactions such a pooler lends it to the next one that asks.
 *
 * @throws OsaError `conflict`, `unavailable`
 */
export async function requireSessions(url: string | Endpoint): Promise<void> {
  const sessions = [0, 1].map(() => connect({ url, max: 1, applicationName: 'osad sessions' }));
  try {
    const seen: string[][] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, session] of sessions.entries()) {
        seen[index] = [...(seen[index] ?? []), await processOf(session)];
      }
    }
    const [first = [], second = []] = seen.map((processes) => [...new Set(processes)]);
    if (first.length > 1 || second.length > 1 || first[0] === second[0]) throw shared();
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}

/** Unprepared: such a pooler may not know the statement at the next server. */
async function processOf({ sql }: Database): Promise<string> {
  const [row] = await sql.unsafe<{ process: string }[]>('select pg_backend_pid()::text as process', [], {
    prepare: false,
  });
  return row?.process ?? '';
}

function shared(): OsaError {
  return new OsaError(
    'conflict',
    'DATABASE_URL: a pooler, such as PgBouncer with pool_mode = transaction, gives statements of one session to several ' +
      'servers, so settings, locks and notifications would be lost; set pool_mode = session, or give the URL of PostgreSQL itself',
    { field: 'DATABASE_URL' },
  );
}
