import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bounds } from '@osa/core/limits';
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import { longestBusy } from './busy.ts';
import { describeContainers } from './container-support.ts';
import { socketAt } from './elf.ts';
import { scratch, type TestDatabase, testDatabase } from './harness.ts';
import { answering, type BuiltImage, buildImage, podmanRunner, removeImages } from './images.ts';
import { record, type Workbench, workbench } from './workbench.ts';

vi.setConfig({ testTimeout: 120_000 });

/** A hook that answers well, whatever is planted beside its answers. */
const answerAll = answering('answer 1');

describeContainers('what a hostile hook leaves in its output', () => {
  let database: TestDatabase;
  let bench: Workbench;
  beforeEach(async () => {
    database = await testDatabase();
    bench = await workbench(database, { runners: [podmanRunner()] });
    return async () => {
      expect(await readdir(bench.execution.workspace)).toEqual([]);
      await bench.dispose();
      await database.close();
    };
  });
  afterAll(removeImages);

  /** Runs a bad hook beside a good one, which must pass; the answer is the bad one’s run, and its records. */
  async function besideGood(hostile: string | BuiltImage) {
    const limits = { timeout_seconds: 60, memory: '64m', cpu: '1' };
    await bench.deploy({
      bad: { image: typeof hostile === 'string' ? await buildImage({ script: hostile }) : hostile, limits },
      good: { image: await buildImage({ script: answerAll }) },
    });
    await bench.ingest([record('a', 1), record('b', 1)]);
    const stallMs = await longestBusy(() => bench.drain());
    const { sql } = bench.database;
    const runs = await sql<{ hook: string; status: string; reason: string | null; rows: number }[]>`
      select hook, status, reason, row_count::int as rows from runs`;
    const outcomes = await sql<{ source_id: string; status: string; reason: string | null }[]>`
      select b.source_id, o.status, o.reason from outcomes o join batch_records b on b.id = o.batch_record
      where o.hook = 'bad' order by b.source_id`;
    expect(runs.find(({ hook }) => hook === 'good')).toMatchObject({ status: 'passed', rows: 2 });
    const bad = runs.find(({ hook }) => hook === 'bad');
    return { ...bad, outcomes, stallMs };
  }

  const features = '$OSA_OUT/features.jsonl';

  it.each([
    ['outdir-01: a link to a file of the host', `ln -s /etc/passwd ${features}`, /symbolic link/],
    ['a link to its own input', `ln -s $OSA_IN/records.jsonl ${features}`, /symbolic link/],
    ['a link that ends nowhere', `ln -s nowhere ${features}`, /symbolic link/],
    ['outdir-04: a pipe', `mkfifo ${features}`, /not a regular file/],
    ['a directory', `mkdir ${features}`, /regular file|directory/],
    ['outdir-05: a file with two names', `${answerAll}; ln ${features} $OSA_OUT/other`, /hard link/],
    ['outdir-05: a device', `mknod ${features} c 1 5; exit 0`, undefined],
  ])('%s for an answer fails the run and no other', async (_what, script, reason) => {
    const bad = await besideGood(script);
    // It cannot be made in a container at all, and so the hook has simply not answered.
    if (reason === undefined) expect(bad).toMatchObject({ status: 'passed', rows: 0 });
    else expect(bad).toMatchObject({ status: 'failed', reason: expect.stringMatching(reason), rows: 0 });
    expect(bad.outcomes.map(({ status }) => status)).toEqual(['errored', 'errored']);
  });

  it('outdir-02, -13, -14: is read by exact name, and nothing is written beside it', async () => {
    const target = await scratch();
    const file = join(target.path, 'target');
    await writeFile(file, 'untouched');
    const bad = await besideGood(`${answerAll}
      for name in run.json hook.log leader.json ../leader.json; do ln -s ${file} $OSA_OUT/$name; done
      cp ${features} $OSA_OUT/Features.jsonl; cp ${features} $OSA_OUT/FEATURES.JSONL
      cd $OSA_OUT; touch "$(printf 'new\\nline')" "$(printf 'bad\\377utf8')" -- -rf "$(head -c 255 /dev/zero | tr '\\0' x)" '..  ' '%s%n'`);
    expect(bad).toMatchObject({ status: 'passed', rows: 2 });
    expect(await readFile(file, 'utf8')).toBe('untouched');
    await target.dispose();
  });

  it('outdir-09: stops a sparse file of a tebibyte', async () => {
    const bad = await besideGood(
      `truncate -s 1T ${features}; truncate -s ${bounds.outputBytes + 1} ${features}; exit 0`,
    );
    expect(bad).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('too much output'),
      rows: 0,
    });
  });

  it('outdir-10: stops files without end before they fill the disk', async () => {
    const writer = 'dd if=/dev/zero of=$OSA_OUT/$n bs=1M 2> /dev/null';
    const bad = await besideGood(`for n in 1 2 3 4; do ${writer} & done; wait; sleep 30`);
    expect(bad).toMatchObject({ status: 'failed', reason: expect.stringContaining('too much output') });
  });

  it('outdir-10: stops what has no name and what has too long a path before they fill the disk', async () => {
    const write = (file: string) => `dd if=/dev/zero of=${file} bs=1M count=900 2> /dev/null`;
    const long = Array.from({ length: 10 }, () => 'd'.repeat(250)).join('/');
    const bad = await besideGood(`cd $OSA_OUT
      mkdir -p A/${long} B/${long}; exec 3> B/${long}/1 4> B/${long}/2; mv B A/${long}/
      exec 5> 5 6> 6; rm 5 6
      for n in 3 4 5 6; do ${write('/proc/self/fd/$n')} & done; wait; exit 0`);
    expect(bad).toMatchObject({ status: 'failed', reason: expect.stringContaining('too much output') });
  });

  it.runIf(process.arch === 'x64')(
    'outdir-05: a socket for an answer fails the run and no other',
    async () => {
      const image = await buildImage({
        script: `cd $OSA_OUT; /bind; exit $?`,
        files: { '/bind': socketAt('features.jsonl') },
        modes: { '/bind': '755' },
      });
      const bad = await besideGood(image);
      expect(bad).toMatchObject({ status: 'failed', reason: expect.stringMatching(/regular file/), rows: 0 });
    },
  );

  it('outdir-07: stops a million files and ten thousand directories in each other', async () => {
    const bad = await besideGood(`cd $OSA_OUT; for n in 1 2 3 4 5 6 7 8 9 10; do
        deep=$(head -c 2000 /dev/zero | sed 's,.,d/,g'); mkdir -p $deep; cd $deep
      done
      cd $OSA_OUT; seq 1000000 | xargs touch; sleep 30`);
    expect(bad).toMatchObject({ status: 'failed', reason: expect.stringContaining('too much output') });
  });

  it('outdir-08: is removed although it is locked', async () => {
    const bad = await besideGood(`${answerAll}
      mkdir -p $OSA_OUT/locked/inner; touch $OSA_OUT/locked/inner/file; chmod 000 $OSA_OUT/locked/inner $OSA_OUT/locked`);
    expect(bad).toMatchObject({ status: 'passed', rows: 2 });
  });

  it('outdir-11: does not change while it is read: who would change it is dead', async () => {
    const bad = await besideGood(`${answerAll}
      (while :; do echo '{"id":"a","features":[{"value":2}]}' >> ${features}; done) > /dev/null 2>&1 &
      sleep 0.1; exit 0`);
    // It may have been too many lines by then; what it was did not change between the two readings in any case.
    expect(['passed', 'failed']).toContain(bad.status);
    expect(bad.outcomes[0]).toMatchObject({ status: 'errored' });
  });

  it('outdir-12: of one attempt is not seen by the next', async () => {
    const image = await buildImage({ script: `${answerAll}; exit 1` });
    await bench.deploy({ bad: { image } });
    await bench.ingest([record('a', 1)]);
    await bench.drain();
    await bench.deploy({
      bad: { image: await buildImage({ script: 'ls $OSA_OUT | grep . && exit 1; exit 0' }) },
    });
    await bench.ingest([record('a', 2)]);
    await bench.drain();
    expect(
      await bench.database.sql`select version, status, row_count::int as rows from runs order by version`,
    ).toEqual([
      { version: 1, status: 'failed', rows: 0 },
      { version: 2, status: 'passed', rows: 0 },
    ]);
    expect(await bench.database.sql`select count(*)::int as rows from features.bad`).toEqual([{ rows: 0 }]);
  });

  it('however large does not hold up the daemon', async () => {
    const script = `yes '{"id":"a","features":[{"value":1}]}' | head -n 500000 > ${features}; exit 0`;
    const { stallMs, ...bad } = await besideGood(script);
    expect(bad).toMatchObject({ status: 'failed', reason: expect.stringContaining('too many lines') });
    expect(stallMs).toBeLessThan(100);
    expect(existsSync(bench.execution.workspace)).toBe(true);
  });
});
