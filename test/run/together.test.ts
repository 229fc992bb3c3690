import { Readable } from 'node:stream';
import { sha256 } from '@osa/core/hook/release';
import { ingest } from '@osa/core/ingestion/ingest';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { postgresStore } from '@osa/core/postgres/store';
import { executeNext } from '@osa/core/run/execute';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';

/** Deploys make feature tables while batches are taken in, claimed and published: nobody waits long, nothing is lost. */

let bench: CoreArchive;
beforeAll(async () => {
  bench = await coreArchive();
});
afterAll(() => bench.dispose());

const slugs = ['north', 'east', 'south', 'west'];
const rounds = 3;
const sources = 40;
const longestWaitMs = 2_000;

/** The value says which client sent it, and in which round. */
const contentOf = (client: number, round: number) => 1 + client * rounds + round;

async function deploys(slug: string): Promise<void> {
  for (let round = 0; round <= rounds; round += 1) {
    const names = Array.from({ length: round + 1 }, (_, index) => `${slug}_${index}`);
    const code = hookCode('return { features: [{ value: metadata.value }] }');
    await bench.deploy(Object.fromEntries(names.map((name) => [name, { code }])), { slug, title: slug });
  }
}

/** Two clients send to each convention; half of what one sends, the other sends too. */
async function ingests(client: number): Promise<string[]> {
  const store = postgresStore(bench.open('app', { max: 2 }), { domain: 'localhost' });
  const ids: string[] = [];
  const first = client < slugs.length ? 0 : sources / 2;
  for (let round = 0; round < rounds; round += 1) {
    const lines = Array.from({ length: sources }, (_, index) =>
      JSON.stringify(record(`r${first + index}`, contentOf(client, round))),
    );
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
    const request = { convention: slugs[client % slugs.length] ?? '', batchSize: sources / 2, upload };
    ids.push((await ingest(store, { principal: admin }, request)).id);
  }
  return ids;
}

/** The longest that anybody was seen to wait for a lock, by the database's clock, until `isOver`. */
async function longestLockWait(isOver: () => boolean): Promise<number> {
  const owner = bench.open('owner', { max: 1 });
  let longest = 0;
  while (!isOver()) {
    const [row] = await owner.sql<{ ms: number }[]>`
      select coalesce(max(extract(epoch from clock_timestamp() - waitstart)) * 1000, 0)::float8 as ms
      from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where not l.granted and a.datname = current_database()`;
    longest = Math.max(longest, row?.ms ?? 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return longest;
}

test('eight clients ingest the same records while four deploy new hooks: all is stored, and nobody waits long', {
  timeout: 120_000,
}, async () => {
  for (const slug of slugs) await bench.deploy({}, { slug, title: slug });
  let isOver = false;
  const stop = new AbortController();
  const waited = longestLockWait(() => isOver);
  const queue = postgresQueue(bench.database, { domain: 'localhost' });
  let isWritten = false;
  const work = Array.from({ length: 2 }, async () => {
    for (;;) {
      const wasWritten = isWritten;
      const found = await executeNext({ ...bench.execution, queue }, stop.signal);
      if (!found && wasWritten) return;
      if (!found) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const clients = Array.from({ length: 2 * slugs.length }, (_, client) => ingests(client));
  const [ids] = await Promise.all([Promise.all(clients), Promise.all(slugs.map(deploys))]);
  isWritten = true;
  await Promise.all(work);
  await bench.drain();
  isOver = true;
  expect(await waited).toBeLessThan(longestWaitMs);

  for (const id of ids.flat()) {
    expect(await bench.store.ingestions.show(id)).toMatchObject({
      status: 'completed',
      published: sources,
      errored: 0,
      pending: 0,
      reasons: [],
    });
  }
  // One client's uploads are versions in the order in which it sent them; no version is left out.
  const wrong = await bench.database.sql`
    select * from (
      select convention, source_id, version, value - lag(value) over sent as step,
             max(version) over source - count(*) over source as left_out
      from (select *, (metadata ->> 'value')::integer as value from published) r
      window source as (partition by convention, source_id),
             sent as (partition by convention, source_id, (value - 1) / ${rounds}::integer order by version)) v
    where step < 0 or left_out <> 0`;
  expect([...wrong]).toEqual([]);
  const [counts] = await bench.database.sql<{ records: number; hooks: number; mixed: number }[]>`
    select (select count(*)::integer from records) as records,
           (select count(*)::integer from hooks) as hooks,
           (select count(*)::integer from batches b
            where (select count(*) from runs r where r.batch = b.id and r.status = 'passed')
                  <> (select count(distinct o.hook) from outcomes o where o.batch = b.id)) as mixed`;
  expect(counts).toEqual({ records: 8 * rounds * sources, hooks: slugs.length * (rounds + 1), mixed: 0 });
});
