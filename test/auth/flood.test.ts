import { connect } from '@osa/core/postgres/connection/connect';
import { expect, test } from 'vitest';
import { authDaemon, deployHooks, leaksOf } from '../support/auth-daemon.ts';
import { attacker, claims, edDsa, forge, good, header, hmac, personClaims } from '../support/auth-support.ts';
import { withDatabase } from '../support/database/cluster.ts';

/** Many tokens that are not accepted: they cost the database nothing, and their senders must wait. */

const user = '0198c0de-2222-4222-8222-222222222222';

/** A bad token of its own for each number. */
function bad(n: number): string {
  const changes = { jti: `flood ${n}` };
  const kinds = [
    () => good({ ...changes, aud: 'other' }),
    () => forge(header, claims(changes), edDsa(attacker)),
    () => forge({ alg: 'HS256' }, personClaims(user, changes), hmac(Buffer.alloc(40))),
    () => `not.a.token${n}`,
  ];
  return kinds[n % kinds.length]?.() ?? '';
}

test.each([
  ['each of which is answered', 100_000, [401]],
  ['most of which must wait', 100, [401, 429]],
])(
  'jwt-oracle-06 of 1,000 bad tokens, %s, none makes a statement',
  async (_, failedAuthentications, expected) => {
    const place = await authDaemon({ http: { failedAuthentications } });
    try {
      await deployHooks(place);
      const { ownerUrl, appUrl, open } = place.daemon.database;
      const admin = open(withDatabase(ownerUrl, 'postgres'), { max: 1 });
      // Each statement changes when its connection's last one began.
      const statements = () => admin.sql`
      select pid, backend_start, query_start, state_change from pg_stat_activity
      where datname = ${new URL(appUrl).pathname.slice(1)} and application_name like 'osad%' order by pid`;
      const before = await statements();
      expect(before.length).toBeGreaterThan(0);
      const statuses = new Set<number>();
      for (let sent = 0; sent < 1_000; sent += 50) {
        const wave = Array.from({ length: 50 }, (__, n) =>
          place[n % 10 === 0 ? 'write' : 'whoami'](`Bearer ${bad(sent + n)}`),
        );
        for (const { status } of await Promise.all(wave)) statuses.add(status);
      }
      expect([...statuses].toSorted()).toEqual(expected);
      expect(await statements()).toEqual(before);
      expect((await place.write(`Bearer ${good()}`)).status).toBe(200);
      expect(await statements()).not.toEqual(before);
      expect(await leaksOf(place)).toEqual([]);
    } finally {
      await place.daemon.close();
    }
  },
);

test('jwt-oracle-06 a flood of bad tokens is answered where there is no database', async () => {
  const other = await authDaemon({ http: { failedAuthentications: 50 } });
  const { ownerUrl, appUrl } = other.daemon.database;
  const admin = connect({ url: withDatabase(ownerUrl, 'postgres'), max: 1, applicationName: 'osa tests' });
  const name = new URL(appUrl).pathname.slice(1);
  try {
    await admin.sql.unsafe(`alter database "${name}" with allow_connections false`);
    await admin.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    const answers = await Promise.all(Array.from({ length: 400 }, (_, n) => other.write(`Bearer ${bad(n)}`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]));
    // The same request by somebody who may make it does need it.
    expect((await other.write(`Bearer ${good()}`)).status).toBe(503);
  } finally {
    await admin.sql.unsafe(`alter database "${name}" with allow_connections true`);
    await admin.close();
    await other.daemon.close();
  }
});

test('a client that fails too often must wait, and a good token from the same address passes', async () => {
  const other = await authDaemon({ http: { failedAuthentications: 5 } });
  try {
    const bad = () => other.whoami(`Bearer ${good({ aud: 'other' })}`);
    const statuses = [];
    for (let count = 0; count < 8; count += 1) statuses.push((await bad()).status);
    expect(statuses.slice(0, 5)).toEqual(Array(5).fill(401));
    expect(statuses).toContain(429);
    const limited = await bad();
    if (limited.status === 429) expect(limited.headers['retry-after']).toBe('1');
    expect((await other.whoami(`Bearer ${good()}`)).status).toBe(200);
    const lines = other.daemon.log.filter((line) => line.includes('without an accepted token'));
    expect(lines.length).toBeLessThan(statuses.length);
  } finally {
    await other.daemon.close();
  }
});
