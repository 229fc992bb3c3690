import { sha256 } from '@osa/core/hook/release';
import { people } from '@osa/core/postgres/auth/people';
import { beforeAll, expect, test } from 'vitest';
import { type CoreArchive, coreArchive } from '../support/core-archive.ts';

/** The places of logins that are under way. */

let bench: CoreArchive;
beforeAll(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const alphabet = 'BCDFGHJKLMNPQRSTVWXZ2346789';
const codeOf = (n: number) =>
  Array.from({ length: 8 }, (_, place) => alphabet[Math.floor(n / 27 ** place) % 27]).join('');
const start = (n: number, network: string) =>
  people(bench.database).start({
    ...{ deviceHash: sha256(`device ${n}`), userCode: codeOf(n), network, lifetimeSeconds: 900 },
  });

test('one network has at most twenty, and what is full makes a place of the oldest that no browser has opened', async () => {
  for (let n = 0; n < 20; n += 1) expect(await start(n, 'one')).toBe('started');
  expect(await start(20, 'one')).toBe('network_full');
  expect(await start(21, 'other')).toBe('started');
  expect(await people(bench.database).enter(codeOf(0), sha256('browser'))).toBe(true);

  const { sql } = bench.database;
  await sql`
    insert into logins (id, device_hash, user_code, expires_at)
    select gen_random_uuid(), encode(sha256(n::text::bytea), 'hex'),
           'Z' || (select string_agg(substr(${alphabet}, 1 + (n / (27 ^ p)::integer) % 27, 1), '' order by p)
                   from generate_series(0, 6) p), now() + interval '1 hour'
    from generate_series(1, 9979) n`;
  expect(await start(22, 'third')).toBe('started');
  const left = await sql<{ code: string }[]>`
    select user_code as code from logins where user_code in (${codeOf(0)}, ${codeOf(1)}, ${codeOf(22)})`;
  expect(left.map(({ code }) => code).sort()).toEqual([codeOf(0), codeOf(22)].sort());
});
