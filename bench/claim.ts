import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { benchDatabase } from './database.ts';
import { deployDataset } from './dataset.ts';
import { type Options, type Result, timed } from './report.ts';

const worker = {
  name: 'bench',
  leaseMs: 3_600_000,
  runtimes: ['directory', 'image'],
  fullHooks: [],
} as const;

/** A claim with ten batches waiting, against bare statements; and with many waiting, against ten. */
export async function benchClaim({ quick, log, signal }: Options): Promise<Result[]> {
  const few = 10;
  const times = new Map<number, Times>();
  const sizes = [few, 10_000, quick ? 50_000 : 1_000_000];
  for (const waiting of sizes) {
    signal.throwIfAborted();
    times.set(waiting, await claims(waiting, quick ? 20 : 60));
    log(`${waiting.toLocaleString('en-US')} batches: measured`);
  }
  const first = times.get(few) ?? { claims: [], bare: [] };
  const alone: Result = {
    name: 'claim',
    what: `claims of a batch of one record and one hook, while ${few} others wait`,
    limit: `as many round trips: ${statements.claim} statements in one transaction, and ${statements.load} in another`,
    unit: 'ms',
    ours: first.claims,
    theirs: first.bare,
    target: { atMost: 3 },
    notes: [],
  };
  const among = sizes.slice(1).map(
    (waiting): Result => ({
      name: `claim, ${waiting.toLocaleString('en-US')} batches wait`,
      what: `claims of a batch of one record and one hook, while ${waiting.toLocaleString('en-US')} others wait`,
      limit: `the same while ${few} wait`,
      unit: 'ms',
      ours: times.get(waiting)?.claims ?? [],
      theirs: first.claims,
      target: { atMost: 1.5 },
      notes: [],
    }),
  );
  return [alone, ...among];
}

interface Times {
  readonly claims: number[];
  readonly bare: number[];
}

/** The statements of a claim, and those that read what was claimed, without begin and commit. */
const statements = { claim: 12, load: 5 };

async function bareStatements(database: Database): Promise<void> {
  await database.sql`select 1`;
  for (const count of [statements.claim, statements.load]) {
    await database.transaction(async (tx) => {
      for (let n = 0; n < count; n++) await tx`select 1`;
    });
  }
}

async function claims(waiting: number, rounds: number): Promise<Times> {
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 4, applicationName: 'osa bench' });
  try {
    await deployDataset(database, 'claimed');
    await queueBatches(place.owner, waiting);
    const queue = postgresQueue(database, { domain: 'localhost' });
    const measured: Times = { claims: [], bare: [] };
    for (let round = 0; round < rounds + 10; round++) {
      let held: Awaited<ReturnType<typeof queue.claim>>;
      const time = await timed(async () => {
        held = await queue.claim(worker);
      });
      if (!held) throw new Error('no batch was claimed');
      await queue.postpone(held, { reason: null, delayMs: 3_600_000, failed: false });
      if (round < rounds) await queueBatches(place.owner, 1);
      const bare = await timed(() => bareStatements(database));
      if (round < 10) continue;
      measured.claims.push(time);
      measured.bare.push(bare);
    }
    return measured;
  } finally {
    await database.close();
    await place.close();
  }
}

/** One ingestion of `count` batches of a record each, as an upload would have stored them. */
async function queueBatches(owner: Database, count: number): Promise<void> {
  await owner.transaction(async (tx) => {
    await tx`set local session_replication_role = replica`;
    const [made] = await tx<{ id: string }[]>`
      insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor)
      select gen_random_uuid(), slug, schema_id, schema_version, 1, 'x', (select min(id) from actors) from conventions
      returning id`;
    await tx`
      with made as (
        insert into batches (id, ingestion, convention, index, records)
        select gen_random_uuid(), ${made?.id ?? null}, (select slug from conventions), n, 1
        from generate_series(0, ${count - 1}::integer) n returning id)
      insert into batch_records (batch, source_id, line, metadata, content_digest)
      select id, id::text, 1, '{"value": 1}', sha256('x') from made`;
  });
}
