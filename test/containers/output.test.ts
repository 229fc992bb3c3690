import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bounds } from '@osa/core/limits';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import { longestBusy } from '../support/busy.ts';
import { describeContainers } from '../support/containers/container-support.ts';
import { socketAt } from '../support/containers/elf.ts';
import {
  answering,
  type BuiltImage,
  buildImage,
  podmanRunner,
  removeImages,
} from '../support/containers/images.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { scratch } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 120_000 });

/** A hook that answers well, whatever is planted beside its answers. */
const answerAll = answering('answer 1');

describeContainers('what a hostile hook leaves in its output', () => {
  let bench: CoreArchive;
  beforeEach(async () => {
    bench = await coreArchive({ runners: [podmanRunner()] });
    return async () => {
      expect(await readdir(bench.execution.workspace)).toEqual([]);
      await bench.dispose();
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
    const started = performance.now();
    const stallMs = await longestBusy(() => bench.drain());
    const { sql } = bench.database;
    // A machine that is busy with other things makes none of this slower than that.
    expect(performance.now() - started).toBeLessThan(30_000);
    const runs = await sql<{ hook: string; status: string; reason: string | null; rows: number }[]>`
      select hook, status, reason, row_count::int as rows from runs`;
    const outcomes = await sql<{ source_id: string; status: string; reason: string | null }[]>`
      select b.source_id, o.status, o.reason from outcomes o join batch_records b on b.id = o.batch_record
      where o.hook = 'bad' order by b.source_id`;
    expect(runs.find(({ hook }) => hook === 'good')).toMatchObject({ status: 'passed', rows: 2 });
    const bad = runs.find(({ hook }) => hook === 'bad');
    expect(stallMs).toBeLessThan(100);
    return { ...bad, outcomes };
  }

  const features = '$OSA_OUT/features.jsonl';

  test.each([
    ['outdir-01: a link to a file of the host', `ln -s /etc/passwd ${features}`, /symbolic link/],
    [
      'outdir-01: a link to answers that are elsewhere',
      `${answerAll}; mv ${features} $OSA_OUT/x; ln -s x ${features}`,
      /symbolic link/,
    ],
    ['a link to its own input', `ln -s $OSA_IN/records.jsonl ${features}`, /symbolic link/],
    ['a link that ends nowhere', `ln -s nowhere ${features}`, /symbolic link/],
    ['outdir-04: a pipe', `mkfifo ${features}`, /not a regular file/],
    ['a directory', `mkdir ${features}`, /regular file|directory/],
    ['outdir-05: a file with two names', `${answerAll}; ln ${features} $OSA_OUT/other`, /hard link/],
    ['outdir-05: a second name of its input', `ln $OSA_IN/records.jsonl ${features}; exit 0`, undefined],
    ['outdir-05: a device', `mknod ${features} c 1 5; exit 0`, undefined],
  ])('%s for an answer fails the run and no other', async (_what, script, reason) => {
    const bad = await besideGood(script);
    // It cannot be made in a container at all, and so the hook has simply not answered.
    if (reason === undefined) expect(bad).toMatchObject({ status: 'passed', rows: 0 });
    else expect(bad).toMatchObject({ status: 'failed', reason: expect.stringMatching(reason), rows: 0 });
    expect(bad.outcomes.map(({ status }) => status)).toEqual(['errored', 'errored']);
  });

  test('outdir-02: is no place where the daemon writes', async () => {
    const target = await scratch();
    const file = join(target.path, 'target');
    await writeFile(file, 'untouched');
    const planted = ['run.json', 'hook.log', 'log', 'leader.json', 'rejections.jsonl.tmp', 'output.img'];
    const bad = await besideGood(
      `${answerAll}\nfor name in ${planted.join(' ')}; do ln -s ${file} $OSA_OUT/$name; done`,
    );
    expect(bad).toMatchObject({ status: 'passed', rows: 2 });
    expect(await readFile(file, 'utf8')).toBe('untouched');
    await target.dispose();
  });

  test('outdir-13: may have names of any bytes, which are ignored', async () => {
    const names = [
      'new\\nline',
      'bad\\377utf8',
      '..  ',
      '-rf',
      '%%s%%n',
      'nul\\\\0',
      'features.jsonl\\n',
      '\\033[2J',
    ];
    const bad = await besideGood(`${answerAll}
      cd $OSA_OUT; : > $(head -c 255 /dev/zero | tr '\\0' x); mkdir ...; cp features.jsonl .../features.jsonl
      for name in ${names.map((name) => `'${name}'`).join(' ')}; do
        cp features.jsonl "./$(printf "$name.")" || exit 1
      done; ls -A | wc -l`);
    expect(bad).toMatchObject({ status: 'passed', reason: null, rows: 2 });
    const [attempt] = await bench.database.sql`
      select a.detail, convert_from(a.log, 'UTF8') as log from attempts a join runs r on r.id = a.run where r.hook = 'bad'`;
    expect(attempt).toEqual({ detail: null, log: `${names.length + 3}\n` });
  });

  test('outdir-14: is read by exact names', async () => {
    const bad = await besideGood(`${answerAll}; cd $OSA_OUT
      grep '"id":"b"' features.jsonl > Features.jsonl; cp Features.jsonl FEATURES.JSONL
      grep '"id":"a"' features.jsonl > x; mv x features.jsonl`);
    expect(bad.outcomes.map(({ status }) => status)).toEqual(['passed', 'errored']);
    expect(bad.rows).toBe(1);
  });

  test('outdir-09: stops a sparse file of a tebibyte', async () => {
    const bad = await besideGood(
      `truncate -s 1T ${features}; truncate -s ${bounds.outputBytes + 1} ${features}; exit 0`,
    );
    expect(bad).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('too much output'),
      rows: 0,
    });
  });

  test('outdir-10: stops files without end before they fill the disk', async () => {
    const writer = 'dd if=/dev/zero of=$OSA_OUT/$n bs=1M 2> /dev/null';
    const bad = await besideGood(`for n in 1 2 3 4; do ${writer} & done; wait; sleep 30`);
    expect(bad).toMatchObject({ status: 'failed', reason: expect.stringContaining('too much output') });
  });

  test('outdir-10: stops what has no name and what has too long a path before they fill the disk', async () => {
    const write = (file: string) => `dd if=/dev/zero of=${file} bs=1M count=900 2> /dev/null`;
    const long = Array.from({ length: 10 }, () => 'd'.repeat(250)).join('/');
    const bad = await besideGood(`cd $OSA_OUT
      mkdir -p A/${long} B/${long}; exec 3> B/${long}/1 4> B/${long}/2; mv B A/${long}/
      exec 5> 5 6> 6; rm 5 6
      for n in 3 4 5 6; do ${write('/proc/self/fd/$n')} & done; wait; exit 0`);
    expect(bad).toMatchObject({ status: 'failed', reason: expect.stringContaining('too much output') });
  });

  test.runIf(process.arch === 'x64')(
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

  test.each([
    ['a million files', 'seq 1000000 | xargs touch'],
    [
      'ten thousand directories in each other',
      `for n in 1 2 3 4 5 6; do
        deep=$(head -c 2000 /dev/zero | tr '\\0' x | sed 's,.,d/,g'); mkdir -p $deep; cd -P $deep
      done`,
    ],
  ])('outdir-07: is stopped at %s', async (_what, script) => {
    const bad = await besideGood(`cd $OSA_OUT; ${script}; sleep 30`);
    expect(bad).toMatchObject({ status: 'failed', reason: expect.stringContaining('too much output') });
  });

  test('outdir-08: is removed although it is locked', async () => {
    const bad = await besideGood(`${answerAll}
      mkdir -p $OSA_OUT/locked/inner; touch $OSA_OUT/locked/inner/file; chmod 000 $OSA_OUT/locked/inner $OSA_OUT/locked`);
    expect(bad).toMatchObject({ status: 'passed', rows: 2 });
  });

  test('outdir-11: does not change while it is read, because the writer is dead', async () => {
    const bad = await besideGood(`${answerAll}
      (while :; do echo '{"id":"a","features":[{"value":2}]}' >> ${features}; done) > /dev/null 2>&1 &
      while [ $(wc -l < ${features}) -lt 10 ]; do :; done; exit 0`);
    // It may have been too many lines by then; what it was did not change between the two readings in any case.
    expect(['passed', 'failed']).toContain(bad.status);
    expect(bad.outcomes[0]).toMatchObject({ status: 'errored' });
  });

  test('outdir-12: of one attempt is not seen by the next', async () => {
    const limits = { timeout_seconds: 1, memory: '64m', cpu: '1' };
    const found = 'ls $OSA_OUT | grep . && exit 9';
    const [script, silent] = [`${found}; ${answerAll}; sleep 60`, `${found}; exit 0`];
    await bench.deploy({ bad: { image: await buildImage({ script }), limits } });
    await bench.ingest([record('a', 1)]);
    await bench.drain();
    const patient = { ...limits, timeout_seconds: 60 };
    await bench.deploy({ bad: { image: await buildImage({ script: silent }), limits: patient } });
    // The batch has its snapshot, and is tried again with it; what comes later runs what is live.
    await bench.database.sql`update batches set available_at = clock_timestamp() where status = 'queued'`;
    await bench.drain();
    await bench.ingest([record('b', 1)]);
    await bench.drain();
    const attempts = await bench.database.sql`
      select r.version, a.n, a.ending, a.exit_code from attempts a join runs r on r.id = a.run
      where a.n <= 2 order by r.version, a.n`;
    expect(attempts).toEqual([
      { version: 1, n: 1, ending: 'timeout', exit_code: 137 },
      { version: 1, n: 2, ending: 'timeout', exit_code: 137 },
      { version: 2, n: 1, ending: 'exited', exit_code: 0 },
    ]);
    expect(await bench.database.sql`select count(*)::int as rows from features.bad`).toEqual([{ rows: 0 }]);
  });

  test('logs-07: may be progress of a gibibyte that is no progress', async () => {
    const lines = `'["rejected"]' rejected '{"status":"rejected","id":"b"' '{"id":"b","reason":"x"}'`;
    const bad = await besideGood(`${answerAll}
      for line in ${lines}; do echo "$line"; done > $OSA_OUT/progress.jsonl; truncate -s 1023M $OSA_OUT/progress.jsonl; exit 0`);
    expect(bad).toMatchObject({ status: 'passed', rows: 2 });
    expect(bad.outcomes.map(({ status }) => status)).toEqual(['passed', 'passed']);
  });

  test('however large does not hold up the daemon', async () => {
    const script = `yes '{"id":"a","features":[{"value":1}]}' | head -n 500000 > ${features}; exit 0`;
    const bad = await besideGood(script);
    expect(bad).toMatchObject({ status: 'failed', reason: expect.stringContaining('too many lines') });
    expect(existsSync(bench.execution.workspace)).toBe(true);
  });
});
