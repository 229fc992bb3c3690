import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { scratch, type TestDatabase, testDatabase, until } from '../support/database/database.ts';
import { type Daemon, osa, osaJson, startDaemon } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';
import { editConvention } from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 3_600_000 });

/** A heal while records come in and daemons are killed. OSA_TEST_HEALED=100000 takes some minutes. */
const count = Number(process.env.OSA_TEST_HEALED ?? 2_000);

let directory: Awaited<ReturnType<typeof scratch>>;
let database: TestDatabase;
let owner: ReturnType<TestDatabase['open']>;
const daemons = new Map<string, Daemon>();
beforeEach(async () => {
  directory = await scratch();
  database = await testDatabase();
  owner = database.open(database.ownerUrl);
  await writeFile(join(directory.path, 'settings.yaml'), 'lease_seconds: 3\n');
});
afterEach(async () => {
  await Promise.all([...daemons.values()].map((daemon) => daemon.end('SIGTERM')));
  await database.close();
  await directory.dispose();
});

async function start(name: string): Promise<string> {
  const place = join(directory.path, name);
  await writeProject(place, { code: codeOf(1), slug: 'healed' });
  const shared = ['--database', database.appUrl, '--data', join(directory.path, 'data')];
  daemons.set(name, await startDaemon(place, '--config', join(directory.path, 'settings.yaml'), ...shared));
  return place;
}

/** Each row says which code made it. */
const codeOf = (version: number) => `import { readFileSync, writeFileSync } from 'node:fs';
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean).map(JSON.parse);
const row = ({ id, metadata }) => ({ id, features: [{ value: metadata.value * ${version}, maker: ${version} }] });
writeFileSync(process.env.OSA_OUT + '/features.jsonl', lines.map((line) => JSON.stringify(row(line)) + '\\n').join(''));
`;

const half = Math.floor(count / 2);
/** Records from one number to below another; \`salt\` makes other contents. */
const records = (from: number, to: number, salt = 0) =>
  Array.from({ length: to - from }, (_, n) => [`s${from + n}`, from + n + salt] as const);

test(`${count} records of two releases are healed while others come in and daemons are killed`, async () => {
  const place = await start('one');
  await start('two');
  await start('three');
  const maker = `columns:
        - { name: value, json_type: number, required: true }
        - { name: maker, json_type: integer, required: true }`;
  await editConvention(place, /columns: \[.*\]/, maker);
  const ingest = async (name: string, values: readonly (readonly [string, number])[], ...args: string[]) => {
    await writeRecords(join(place, name), values);
    return osaJson(place, ['ingest', 'healed', name, '--batch-size', '500', ...args]);
  };
  await osaJson(place, ['deploy']);
  await ingest('first.ndjson', records(0, half));
  await writeFile(join(place, 'hooks', 'doubled', 'hook.mjs'), codeOf(2));
  await osaJson(place, ['deploy']);
  await ingest('second.ndjson', records(half, count));
  // A tenth of the first half anew, so that one release stands over the other's older versions.
  await ingest('again.ndjson', records(0, Math.floor(half / 5), 1_000_000));
  expect(await currentOf(2)).toBe(count - half + Math.floor(half / 5));

  const began = performance.now();
  let isHealed = false;
  const healing = osa(place, ['hooks', 'rollback', 'doubled', '--heal', '--yes']).finally(() => {
    isHealed = true;
  });
  let [killed, came] = [0, 0];
  while (!isHealed) {
    const name = killed % 2 === 0 ? 'two' : 'three';
    await daemons.get(name)?.end('SIGKILL');
    killed += 1;
    const from = (came * 37) % half;
    await ingest('more.ndjson', records(from, from + 20, 2_000_000 + came * 1_000), '--no-wait');
    came += 20;
    await start(name);
  }
  const { exitCode, stdout } = await healing;
  const seconds = (performance.now() - began) / 1_000;
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('current rows of v2: 0')]);
  await until('the end of what came in', async () => (await unfinished()) === 0);
  const found = await checked();
  process.stderr.write(
    `healed in ${seconds.toFixed(0)} s, ${killed} daemons killed, ${came} records came in: ${JSON.stringify(found)}\n`,
  );
  expect(found).toMatchObject({ of_v2: 0, without_row: 0, with_more: 0, forged: 0, counted: 0 });
  expect(found.rows).toBeGreaterThanOrEqual(count + Math.floor(half / 5) + count - half);
});

async function currentOf(version: number): Promise<number> {
  const [row] = await owner.sql<{ n: number }[]>`
    select coalesce(sum(rows), 0)::integer as n from current_counts where version = ${version}`;
  return row?.n ?? 0;
}

async function unfinished(): Promise<number> {
  const [row] = await owner.sql<{ n: number }[]>`
    select count(*)::integer as n from batches where finished_at is null`;
  return row?.n ?? 0;
}

/** Counted row by row, not from the counts that are kept. */
async function checked() {
  const [row] = await owner.transaction(async (tx) => {
    // Without statistics the planner would look through all records for each of them.
    await tx`set local enable_nestloop = off`;
    return tx<Record<string, number>[]>`
    with newest as (
      select distinct on (record_id) batch_record from records order by record_id, version desc),
    made as (
      select f.outcome_id, f.maker, f.value, run.version, (b.metadata ->> 'value')::float8 as given, o.batch_record,
             o.superseded_by is null and o.status = 'passed' as stands
      from features.doubled f join outcomes o on o.id = f.outcome_id join runs run on run.id = f.run_id
      join batch_records b on b.id = o.batch_record),
    standing as (
      select n.batch_record, count(m.outcome_id) as rows, count(*) filter (where m.version = 2) as of_v2
      from newest n left join made m on m.batch_record = n.batch_record and m.stands group by 1)
    select count(*)::integer as records, (select count(*) from made)::integer as rows, sum(of_v2)::integer as of_v2,
           count(*) filter (where rows = 0)::integer as without_row, count(*) filter (where rows > 1)::integer as with_more,
           (select count(*) from made where maker <> version or value <> given * version)::integer as forged,
           (select coalesce(sum(rows), 0) from current_counts where version = 2)::integer as counted
    from standing`;
  });
  return row ?? {};
}
