import { Readable } from 'node:stream';
import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { rollback } from '@osa/core/hook/live';
import { runtimes, sha256 } from '@osa/core/hook/release';
import { ingest } from '@osa/core/ingestion/ingest';
import type { Database } from '@osa/core/postgres/connection/connect';
import { databaseError } from '@osa/core/postgres/connection/sqlstate';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { postgresStore } from '@osa/core/postgres/store';
import type { OutputReader, Verdict } from '@osa/core/run/output/judgement';
import type { BatchQueue, Claim, RunResult } from '@osa/core/run/queue';
import { expect } from 'vitest';
import { admin, testDatabase } from './database.ts';

/**
 * A database in the middle of its life, to be attacked: hook `energy` has two releases and is rolled back to the
 * first, `radius` has one; two batches are done, one is held by a worker whose hooks have answered, one is queued.
 */
export interface AttackedDatabase {
  readonly app: Database;
  readonly owner: Database;
  readonly queue: BatchQueue;
  /** Records `passed` and `same`, published with a row of each hook, and `rejected`. */
  readonly done: Claim;
  /** Record `passed` once more, changed, and so published as version 2. */
  readonly again: Claim;
  /** Records `one`, `two` and `passed` (as it was first), which nobody has written yet, and `same`, unchanged. */
  readonly held: Claim;
  /** The id of the batch that waits. */
  readonly queued: string;
}

/** One in a database of its own, which `close` drops. */
export async function attackedDatabase(): Promise<AttackedDatabase & { close(): Promise<void> }> {
  const test = await testDatabase();
  const filled = await fill({ app: test.open(test.appUrl), owner: test.open(test.ownerUrl) });
  return { ...filled, close: test.close };
}

/** Brings a migrated database there. */
export async function fill({
  app,
  owner,
}: Pick<AttackedDatabase, 'app' | 'owner'>): Promise<AttackedDatabase> {
  const store = postgresStore(app, { domain: 'localhost' });
  const queue = postgresQueue(app, { domain: 'localhost' });
  const writer = { principal: admin };
  await deploy(store, writer, declaration('a'));
  await deploy(store, writer, declaration('b'));
  await rollback(store, writer, 'energy', { reason: 'the second is wrong' });
  const send = async (values: Readonly<Record<string, number>>) => {
    const records = Object.entries(values).map(([source_id, value]) => ({ source_id, metadata: { value } }));
    const lines = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    const upload = { sha256: sha256(lines), open: () => Readable.from([Buffer.from(lines)]) };
    await ingest(store, writer, { convention: 'quakes', batchSize: 10, upload });
  };
  const claim = async () => {
    const claimed = await queue.claim({ name: 'worker', leaseMs: 600_000, runtimes, fullHooks: [] });
    if (!claimed) throw new Error('no batch can be claimed');
    for (const run of claimed.runs) await answer(queue, claimed, run.id, run.release.digest);
    return claimed;
  };
  const finish = async () => {
    const claimed = await claim();
    await queue.finish(
      claimed,
      claimed.runs.map((run) => result(claimed, run)),
    );
    return claimed;
  };
  // The outcomes count a row more than there is, so that an attack finds room; the database would not take that.
  await owner.sql`alter table batches disable trigger complete`;
  await send({ passed: 1, same: 1, rejected: 1 });
  const done = await finish();
  await send({ passed: 2 });
  const again = await finish();
  await owner.sql`alter table batches enable trigger complete`;
  await send({ one: 1, passed: 1, same: 1, two: 1 });
  const held = await claim();
  await send({ queued: 1 });
  const [last] = await owner.sql<{ id: string }[]>`select id from batches where status = 'queued'`;
  return { app, owner, queue, done, again, held, queued: last?.id ?? '' };
}

/** Runs the statements in one transaction; answers `done`, or the SQLSTATE that refused them. */
export async function attack(database: Database, statements: string): Promise<string> {
  return outcome(database.transaction((tx) => tx.unsafe(statements)));
}

/** The same, with every deferred check, and leaves nothing behind. */
export async function rehearse(database: Database, statements: string): Promise<string> {
  return attackAtOnce(database, `${statements}; set constraints all immediate`);
}

/** The same without the checks that wait for the commit: what refuses it is the statement's own. */
export async function attackAtOnce(database: Database, statements: string): Promise<string> {
  const end = new Error('all statements have passed');
  const attacking = database.transaction(async (tx) => {
    await tx.unsafe(statements);
    throw end;
  });
  return outcome(attacking.catch((error: unknown) => (error === end ? undefined : Promise.reject(error))));
}

async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    const code = databaseError(error)?.code;
    if (code === undefined) throw error;
    return code;
  }
}

/** Attacks as `role`; it must be refused with one of `codes`, and everything is as it was. */
export async function expectRefused(
  a: AttackedDatabase,
  role: 'app' | 'owner',
  codes: readonly string[],
  statements: string,
) {
  const before = await state(a.owner);
  expect(codes).toContain(await attack(a[role], statements));
  expect(await state(a.owner)).toEqual(before);
}

/** Every visible row of every table with the transaction that wrote it and its place: equal means untouched. */
export async function state({ sql }: Database): Promise<Readonly<Record<string, string>>> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'features') and c.relkind = 'r' order by 1`;
  const hashes = tables.map(
    ({ name }) =>
      `select '${name}' as name, count(*) || ' ' || md5(coalesce(string_agg(t.xmin || ' ' || t.ctid || ' ' || t, '
' order by t.ctid), '')) as hash from ${name} t`,
  );
  const rows = await sql.unsafe<{ name: string; hash: string }[]>(hashes.join(' union all '));
  return Object.fromEntries(rows.map(({ name, hash }) => [name, hash]));
}

async function answer(queue: BatchQueue, claim: Claim, run: string, digest: string): Promise<void> {
  const { n } = await queue.startAttempt(claim, { run, memoryBytes: 1, runner: 'test' });
  const end = { ending: 'exited', exitCode: 0, exitSignal: null, detail: null, log: null } as const;
  await queue.endAttempt(
    { run, n },
    { ...end, resolvedDigest: digest, platformDigest: null, logBytes: null },
  );
}

function result(claim: Claim, run: Claim['runs'][number]): RunResult {
  const inputDigest = sha256('input');
  const output = outputOf(claim.records.map(({ sourceId }) => sourceId));
  const answeredBy = new Map<string, number>();
  return {
    run,
    status: 'passed',
    reason: null,
    attempt: 1,
    answeredBy,
    startedAt: null,
    inputDigest,
    output,
  };
}

/** One row for every record but `rejected`, where the verdict counts two. */
function outputOf(ids: readonly string[]): OutputReader {
  const verdict = (id: string): Verdict =>
    id === 'rejected' ? { status: 'rejected', reason: 'not for us' } : { status: 'passed', rowCount: 2 };
  const recordIds = ids.filter((id) => id !== 'rejected');
  const rowCount = recordIds.length;
  return {
    judgement: {
      verdicts: new Map(ids.map((id) => [id, verdict(id)])),
      outputDigest: sha256('output'),
      rowCount,
      strayLines: 0,
      strayExamples: [],
      open: [],
      failure: null,
    },
    async *rows() {
      const columns = [`{${recordIds.map(() => '1.5').join(',')}}`];
      yield { rowCount, recordIds, ordinals: recordIds.map(() => 0), columns };
    },
  };
}

function declaration(letter: string): DeployRequest {
  const columns = [{ name: 'value', json_type: 'number', required: true }];
  const release = (digit: string) => ({
    image: 'x',
    digest: `sha256:${digit.repeat(64)}`,
    source_ref: 'git:1',
  });
  return DeployRequest.parse({
    slug: 'quakes',
    title: 'Quakes',
    description: 'A convention to attack',
    schema: {
      id: 'quake',
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [
      { name: 'energy', feature: { cardinality: 'one', columns }, release: release(letter) },
      { name: 'radius', feature: { cardinality: 'many', columns }, release: release('c') },
    ],
  });
}
