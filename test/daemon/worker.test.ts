import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { executeNext } from '@osa/core/run/execute';
import { expect, test } from 'vitest';
import { coreArchive, hookCode, record } from '../support/core-archive.ts';
import { deployHook, ndjson, testDaemon } from '../support/daemon-support.ts';
import { scratch, until } from '../support/database/database.ts';

/** A worker's use of its slots, and of a batch that is no longer its own. */

const answer = hookCode('return { features: [{ value: metadata.value }] };');

test('50 batches of a slow hook do not hold up a batch of another convention that came later', async () => {
  const place = await scratch();
  const permit = join(place.path, 'permit');
  const slow = `import { existsSync, writeFileSync as write } from 'node:fs';
write(${JSON.stringify(place.path)} + '/started-' + process.pid, '');
while (!existsSync(${JSON.stringify(permit)})) await new Promise((resolve) => setTimeout(resolve, 20));
${answer}`;
  const daemon = await testDaemon({
    worker: { name: 'tests', isInherited: true, concurrency: 3, perHook: 2, leaseSeconds: 30 },
  });
  const shown = async (id: string) => daemon.call('showIngestion', { params: { id } });
  const started = async () => (await readdir(place.path)).length;
  try {
    await deployHook(daemon, slow, 'slow');
    const query = { batch_size: 1 };
    const flood = await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(50), query });
    await until('the slow hook in all slots that it may have', async () => (await started()) === 2);
    await deployHook(daemon, answer, 'quick', 'other');
    const other = await daemon.call('ingest', { params: { slug: 'other' }, body: ndjson(3), query });
    await until('the other convention', async () => (await shown(other.id)).status === 'completed');
    expect(await shown(flood.id)).toMatchObject({ published: 0, batches: { running: 2, queued: 48 } });
    expect(await started()).toBe(2);
    await writeFile(permit, '');
    await until('some of the slow ones', async () => (await shown(flood.id)).published > 2);
  } finally {
    await writeFile(permit, '');
    await daemon.close();
    await place.dispose();
  }
});

test('a comparison holds up no batch, even of a worker that runs one at a time, and ends when it is cancelled', async () => {
  const place = await scratch();
  const [began, permit] = [join(place.path, 'began'), join(place.path, 'permit')];
  const slow = `import { existsSync, writeFileSync as write } from 'node:fs';
write(${JSON.stringify(began)}, String(process.pid));
while (!existsSync(${JSON.stringify(permit)})) await new Promise((resolve) => setTimeout(resolve, 20));
${answer}`;
  const daemon = await testDaemon({
    worker: { name: 'tests', isInherited: true, concurrency: 1, perHook: 1, leaseSeconds: 30 },
  });
  const completed = async (count: number) => {
    const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(count) });
    await until('the ingestion', async () => {
      const { status } = await daemon.call('showIngestion', { params: { id } });
      return status === 'completed';
    });
  };
  try {
    await deployHook(daemon, answer);
    await completed(3);
    await deployHook(daemon, slow);
    await daemon.call('activate', { params: { name: 'probe' }, json: { version: 1 } });
    const { id } = await daemon.call('compare', { params: { name: 'probe' }, json: { version: 2 } });
    await until('the comparison', async () => existsSync(began));
    await completed(5);
    const shown = async () => (await daemon.call('showComparison', { params: { id } })).status;
    expect(await shown()).toBe('running');
    const pid = Number(await readFile(began, 'utf8'));
    await daemon.call('cancelComparison', { params: { id }, json: { reason: 'it hangs' } });
    expect(await shown()).toBe('failed');
    await until('the end of its code', async () => !existsSync(`/proc/${pid}`), 5_000);
  } finally {
    await writeFile(permit, '');
    await daemon.close();
    await place.dispose();
  }
});

test('a worker whose lease is lost kills its hook and writes nothing', async () => {
  const bench = await coreArchive();
  const place = await scratch();
  const marker = join(place.path, 'pid');
  await bench.deploy({
    endless: {
      code: `import { renameSync, writeFileSync } from 'node:fs';
writeFileSync(process.env.OSA_OUT + '/features.jsonl', '{"id":"a","features":[{"value":1}]}\\n');
writeFileSync(${JSON.stringify(`${marker}.new`)}, String(process.pid));
renameSync(${JSON.stringify(`${marker}.new`)}, ${JSON.stringify(marker)});
setInterval(() => {}, 1_000);`,
    },
  });
  const { id } = await bench.ingest([record('a', 1)]);
  const execution = { ...bench.execution, worker: { name: 'slow', leaseMs: 3_000 } };
  const running = executeNext(execution, new AbortController().signal);
  await until('the hook', async () => existsSync(marker));
  const pid = Number(await readFile(marker, 'utf8'));
  const owner = bench.open('owner', { max: 1 });
  await owner.sql`update batches set lease_until = clock_timestamp() - interval '1 second'`;
  const taken = await bench.execution.queue.claim({
    name: 'other',
    leaseMs: 60_000,
    runtimes: ['directory'],
    fullHooks: [],
  });
  expect(taken?.fence).toBe('2');
  // Its own time limit is 60 s; what ends it is the next renewal.
  expect(await running).toBe(true);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  expect(await bench.store.ingestions.show(id)).toMatchObject({
    pending: 1,
    rows: 0,
    batches: { running: 1 },
  });
  const [counts] = await owner.sql`
    select (select count(*)::integer from outcomes) as outcomes, (select count(*)::integer from features.endless) as rows,
           (select claimed_by from batches) as worker`;
  expect(counts).toEqual({ outcomes: 0, rows: 0, worker: 'other' });
  await place.dispose();
  await bench.dispose();
});

test('/metrics and the log name convention, ingestion and batch of a claim that failed, until it is claimed', async () => {
  const daemon = await testDaemon({
    worker: { name: 'tests', isInherited: true, concurrency: 1, perHook: 1, leaseSeconds: 30 },
  });
  try {
    await deployHook(daemon, answer, 'broken');
    const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
    await owner.sql.unsafe(`
      create function break_claim() returns trigger language plpgsql as $$
      begin raise exception 'this claim cannot be done'; end $$;
      create trigger break_claim before insert on runs for each row execute function break_claim()`);
    const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body: ndjson(1) });
    const [batch] = await owner.sql<{ id: string }[]>`select id from batches where ingestion = ${id}`;
    const labels = `convention="tests",ingestion="${id}",recompute="",batch="${batch?.id}"`;
    const metrics = await until('the failure', async () => {
      const text = await daemon.call('metrics');
      return text.includes(labels) && text;
    });
    expect(metrics).toMatch(new RegExp(`osa_batch_claim_failures\\{${labels}\\} [1-9]`));
    expect(metrics).toMatch(/osa_claim_failures_total\{convention="tests"\} [1-9]/);
    const [line] = daemon.log
      .map((text) => JSON.parse(text))
      .filter(({ msg }) => msg === 'batch claim failed');
    expect(line).toMatchObject({ convention: 'tests', ingestion: id, batch: batch?.id, failures: 1 });
    await owner.sql.unsafe('drop trigger break_claim on runs');
    await owner.sql`update batches set available_at = now()`;
    await until('the end', async () => {
      const { status } = await daemon.call('showIngestion', { params: { id } });
      return status === 'completed';
    });
    expect(await daemon.call('metrics')).not.toContain(labels);
    const ended = daemon.log.map((text) => JSON.parse(text)).find(({ msg }) => msg === 'batch finished');
    expect(ended).toMatchObject({ convention: 'tests', ingestion: id, batch: batch?.id });
  } finally {
    await daemon.close();
  }
});
