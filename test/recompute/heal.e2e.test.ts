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

/** Put together here, row by row, and not from the counts that are kept. */
async function checked() {
  const { sql } = owner;
  const records = await sql<{ record: string; batch_record: string; version: number }[]>`
    select record_id as record, batch_record, version from records`;
  const outcomes = await sql<{ id: string; batch_record: string; stands: boolean }[]>`
    select id, batch_record, superseded_by is null and status = 'passed' as stands from outcomes`;
  const runs = await sql<{ id: string; version: number }[]>`select id, version from runs`;
  const given = await sql<{ id: string; value: number }[]>`
    select id, (metadata ->> 'value')::float8 as value from batch_records`;
  const rows = await sql<{ outcome_id: string; run_id: string; maker: string; value: number }[]>`
    select outcome_id, run_id, maker, value from features.doubled`;

  const newest = new Map<string, { batch_record: string; version: number }>();
  for (const one of records)
    if ((newest.get(one.record)?.version ?? 0) < one.version) newest.set(one.record, one);
  const [byOutcome, versions] = [
    new Map(outcomes.map((one) => [one.id, one])),
    new Map(runs.map((one) => [one.id, one.version])),
  ];
  const values = new Map(given.map((one) => [one.id, one.value]));
  const standing = new Map<string, number[]>();
  let forged = 0;
  for (const { outcome_id, run_id, maker, value } of rows) {
    const [outcome, version] = [byOutcome.get(outcome_id), versions.get(run_id) ?? 0];
    if (
      !outcome ||
      Number(maker) !== version ||
      value !== (values.get(outcome.batch_record) ?? Number.NaN) * version
    )
      forged += 1;
    if (outcome?.stands)
      standing.set(outcome.batch_record, [...(standing.get(outcome.batch_record) ?? []), version]);
  }
  const current = [...newest.values()].map(({ batch_record }) => standing.get(batch_record) ?? []);
  return {
    ...{ records: newest.size, rows: rows.length, forged, counted: await currentOf(2) },
    of_v2: current.filter((made) => made.includes(2)).length,
    without_row: current.filter((made) => made.length === 0).length,
    with_more: current.filter((made) => made.length > 1).length,
  };
}
