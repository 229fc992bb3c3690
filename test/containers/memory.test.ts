import { runReads } from '@osa/core/postgres/runs';
import { traceRow } from '@osa/core/trace/trace';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import {
  answering,
  buildImage,
  podmanRunner,
  removeImages,
  takeMemory,
} from '../support/containers/images.ts';
import { type CoreArchive, type CoreArchiveOptions, coreArchive, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

const page = { limit: 100, history: false, release: undefined };
const mib = 2 ** 20;

describeContainers('a hook that runs out of memory', () => {
  let bench: CoreArchive;
  afterEach(() => bench.dispose());
  afterAll(removeImages);

  /** Deploys the script as hook `sized` under a limit, ingests the sources and runs them. */
  async function run(
    script: string,
    memory: string,
    sources: readonly string[],
    options: CoreArchiveOptions = {},
  ) {
    bench = await coreArchive({ runners: [podmanRunner()], ...options });
    await bench.deploy({
      sized: { image: await buildImage({ script }), limits: { memory, timeout_seconds: 60, cpu: '1' } },
    });
    const { id } = await bench.ingest(sources.map((source) => record(source, 1)));
    await bench.drain();
    return bench.store.ingestions.show(id);
  }

  const attempts = async () => {
    const { sql } = bench.database;
    return sql`select n, memory_bytes::float / ${mib} as mib, ending from attempts order by n`;
  };
  const outcomes = async () => {
    const { sql } = bench.database;
    return sql`select b.source_id, o.attempt, o.status from outcomes o join batch_records b on b.id = o.batch_record
      order by b.source_id`;
  };

  test('sandbox-11: passes with twice as much, and again, and its release says what it said', async () => {
    const script = answering(`${takeMemory(150)}; answer 1`);
    expect(await run(script, '64m', ['a'])).toMatchObject({ published: 1, rows: 1 });
    const { rows } = await readRows(bench.store, 'bench-record', 'sized', page);
    const trace = await traceRow(bench.store, admin, { hook: 'sized', id: Number(rows[0]?.id) });
    expect(trace.run).toMatchObject({
      status: 'passed',
      oom_retries: 2,
      attempts: [
        { n: 1, runner: 'podman', memory_bytes: 64 * mib, ending: 'out_of_memory', exit_code: 1 },
        { n: 2, memory_bytes: 128 * mib, ending: 'out_of_memory' },
        {
          n: 3,
          memory_bytes: 256 * mib,
          ending: 'exited',
          exit_code: 0,
          resolved_digest: trace.release.digest,
        },
      ],
    });
    expect(trace.release.limits).toMatchObject({ memory: '64m' });
    expect(await bench.database.sql`select count(*)::int as releases from releases`).toEqual([
      { releases: 1 },
    ]);
  });

  test('keeps what it had finished, and gets only the rest again', async () => {
    const script = answering(`[ $id = c ] && ${takeMemory(100)}; answer $count`);
    expect(await run(script, '64m', ['a', 'b', 'c', 'd'])).toMatchObject({ published: 4, rows: 4 });
    expect(await outcomes()).toEqual([
      { source_id: 'a', attempt: 1, status: 'passed' },
      { source_id: 'b', attempt: 1, status: 'passed' },
      { source_id: 'c', attempt: 2, status: 'passed' },
      { source_id: 'd', attempt: 2, status: 'passed' },
    ]);
    const { rows } = await readRows(bench.store, 'bench-record', 'sized', page);
    expect(rows.map((row) => row.value)).toEqual([4, 4, 2, 2]);
  });

  test('is started again from the beginning, where it lost a process and went on to exit with 0', async () => {
    // The shell answers 0 for what its dead child should have computed.
    const script = answering(`value=$( (${takeMemory(100)}; echo 7) ); answer \${value:-0}`);
    expect(await run(script, '64m', ['a', 'b'])).toMatchObject({ published: 2, rows: 2 });
    expect(await attempts()).toEqual([
      { n: 1, mib: 64, ending: 'out_of_memory' },
      { n: 2, mib: 128, ending: 'exited' },
    ]);
    const { rows } = await readRows(bench.store, 'bench-record', 'sized', page);
    expect(rows.map((row) => row.value)).toEqual([7, 7]);
  });

  test('keeps no answer that is cut off, broken, or given twice', async () => {
    const script = answering(`
      case "$count/$id" in
        4/cut) answer 1; answer 1;;
        4/broken) echo '{"id":"broken","features":[{"value":"x"}]}' >> $OSA_OUT/features.jsonl;;
        4/late) printf '{"id":"late","features":[{"val' >> $OSA_OUT/features.jsonl; ${takeMemory(100)};;
        *) answer $count;;
      esac`);
    expect(await run(script, '64m', ['broken', 'cut', 'fine', 'late'])).toMatchObject({ published: 4 });
    expect(await outcomes()).toEqual([
      { source_id: 'broken', attempt: 2, status: 'passed' },
      { source_id: 'cut', attempt: 2, status: 'passed' },
      { source_id: 'fine', attempt: 1, status: 'passed' },
      { source_id: 'late', attempt: 2, status: 'passed' },
    ]);
  });

  test('keeps rejections and errors of its own, and passes when only the end was missing', async () => {
    const script = answering(`
      case $id in
        a) echo '{"id":"a","reason":"not for us"}' >> $OSA_OUT/rejections.jsonl;;
        b) echo '{"id":"b","error":"broken","retryable":false}' >> $OSA_OUT/errors.jsonl; ${takeMemory(100)};;
      esac`);
    expect(await run(script, '64m', ['a', 'b'])).toMatchObject({ rejected: 1, errored: 1 });
    expect(await attempts()).toMatchObject([{ mib: 64, ending: 'out_of_memory' }]);
    expect(await bench.database.sql`select status from runs`).toEqual([{ status: 'passed' }]);
  });

  test('sandbox-11: is given up after three retries; the records that it finished stay', async () => {
    const script = answering(`[ $id = b ] && ${takeMemory(200)}; answer 1`);
    expect(await run(script, '16m', ['a', 'b'])).toMatchObject({ published: 1, errored: 1, rows: 1 });
    expect(await attempts()).toEqual(
      [16, 32, 64, 128].map((size, index) => ({ n: index + 1, mib: size, ending: 'out_of_memory' })),
    );
    expect(await outcomes()).toEqual([
      { source_id: 'a', attempt: 1, status: 'passed' },
      { source_id: 'b', attempt: 4, status: 'errored' },
    ]);
    const [ended] = await bench.database.sql<
      { status: string; reason: string }[]
    >`select status, reason from runs`;
    const [listed] = (await runReads(bench.database).list({ limit: 1 })).items;
    expect(listed).toMatchObject({ status: 'failed', oom_retries: 3, attempt_count: 4 });
    expect(ended).toMatchObject({ status: 'failed', reason: expect.stringContaining('128 MiB') });
  });

  test('sandbox-11: never gets more than the machine gives', async () => {
    const script = answering(takeMemory(500));
    const options = { maxMemoryBytes: 100 * mib };
    expect(await run(script, '64m', ['a'], options)).toMatchObject({ published: 0, errored: 1 });
    expect(await attempts()).toMatchObject([{ mib: 64 }, { mib: 100 }]);
  });

  test('sandbox-11, sandbox-13: is no other hook’s trouble, and an end by SIGKILL is none of memory', async () => {
    bench = await coreArchive({ runners: [podmanRunner()] });
    await bench.deploy({
      greedy: { image: await buildImage({ script: takeMemory(500) }), limits: { memory: '16m' } },
      killed: { image: await buildImage({ script: 'sh -c "kill -9 \\$\\$"; exit $?' }) },
      modest: { image: await buildImage({ script: answering('answer 1') }) },
    });
    await bench.ingest([record('a', 1)]);
    await bench.drain();
    const runs = await bench.database.sql`
      select hook, status, (select count(*)::int from attempts where run = runs.id) as attempts from runs order by hook`;
    expect(runs).toEqual([
      { hook: 'greedy', status: 'failed', attempts: 4 },
      { hook: 'killed', status: 'failed', attempts: 1 },
      { hook: 'modest', status: 'passed', attempts: 1 },
    ]);
  });
});
