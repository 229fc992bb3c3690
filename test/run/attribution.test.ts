import { join } from 'node:path';
import { release as mintRelease } from '@osa/core/hook/mint';
import { runReads } from '@osa/core/postgres/runs';
import { executeNext } from '@osa/core/run/execute';
import type { Runner, Task } from '@osa/core/run/runner';
import { processRunner } from '@osa/core/runners/process/process';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import { traceRecord, traceRow } from '@osa/core/trace/trace';
import { beforeEach, describe, expect, test } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';

/**
 * A release goes live between the claim of a batch and its run, and differs in one part only. The run takes every part of
 * its own release, and every reading of the row, run or record names that one. The rows say themselves what they got.
 */

let bench: CoreArchive;
/** The tasks that the runner was given. */
let tasks: Task[];
beforeEach(async () => {
  bench = await coreArchive();
  tasks = [];
  return () => bench.dispose();
});

const columns = ['code', 'variant', 'argument'].map((name) => ({
  name,
  json_type: 'string',
  required: true,
}));
const code = (token: string) => `import { readFileSync, writeFileSync } from 'node:fs';
const read = (name) => readFileSync(process.env.OSA_IN + '/' + name, 'utf8');
const { id } = JSON.parse(read('records.jsonl'));
const row = { code: '${token}', variant: JSON.parse(read('config.json')).variant, argument: process.argv[2] };
writeFileSync(process.env.OSA_OUT + '/features.jsonl', JSON.stringify({ id, features: [row] }));
`;
const own = {
  code: code('first'),
  columns,
  config: { variant: 'first' },
  command: ['node', 'hook.mjs', 'first'],
  limits: { timeout_seconds: 60, memory: '1g', cpu: '1' },
};
const other = { ...admin, subject: 'somebody else' };

/** Each makes release 2, which is live and differs from release 1 in this part. */
const changes: Readonly<Record<string, () => Promise<unknown>>> = {
  code: () => bench.deploy({ made: { ...own, code: code('second') } }),
  config: () => mint({ config: { variant: 'second' } }),
  command: () => mint({ command: ['node', 'hook.mjs', 'second'] }),
  limits: () => mint({ limits: { timeout_seconds: 30, memory: '2g', cpu: '0.5' } }),
};

function mint(parts: Partial<Parameters<typeof mintRelease>[3]>) {
  return mintRelease(bench.store, { principal: other }, 'made', { live: true, ...parts });
}

/** Runs what is claimable, and notes what the runner is given. */
async function drain(): Promise<void> {
  const blobs = filesystemBlobs(join(bench.execution.workspace, '../blobs'));
  const inner = processRunner({ blobs, environment: process.env });
  const run: Runner['run'] = (task, signal) => {
    tasks.push(task);
    return inner.run(task, signal);
  };
  const execution = { ...bench.execution, runners: [{ ...inner, run }] };
  while (await executeNext(execution, new AbortController().signal));
}

/** A batch is claimed under release 1 and given up by its worker; then release 2 goes live, and the batch is run. */
async function runAcross(part: string) {
  await bench.deploy({ made: own });
  const { id } = await bench.ingest([record('a', 1)]);
  const dies = { name: 'dies', leaseMs: 1, runtimes: ['directory'], fullHooks: [] } as const;
  const claim = await bench.execution.queue.claim(dies);
  await changes[part]?.();
  await drain();
  const first = await bench.store.registry.release('made', 1);
  const second = await bench.store.registry.release('made', 2);
  if (!claim || !first || !second) throw new Error('there are not two releases and a claim');
  expect([first.live, second.live]).toEqual([false, true]);
  return { first, claim, ingestion: id };
}

describe.each(Object.keys(changes))('a release in between that differs in its %s', (part) => {
  test('gives nothing to the run, and nothing to what is told of its row, record and run', async () => {
    const { first, claim, ingestion } = await runAcross(part);
    const { runtime, digest, command, config, limits } = first;
    expect(claim.runs[0]?.release).toMatchObject({ runtime, digest, command, config, limits });
    expect(tasks).toHaveLength(1);
    expect(tasks[0]?.release).toMatchObject({
      ...{ runtime, digest, command, config },
      limits: { timeout_seconds: 60, memory_bytes: 2 ** 30, cpu_millicores: 1_000 },
    });

    const page = { limit: 10, history: false, release: undefined };
    const { rows } = await readRows(bench.store, 'bench-record', 'made', page);
    expect(rows).toMatchObject([{ code: 'first', variant: 'first', argument: 'first', release: 1 }]);
    const [view] = await bench.open('owner').sql`select release, code from current.made`;
    expect(view).toEqual({ release: 1, code: 'first' });

    const trace = await traceRow(bench.store, admin, { hook: 'made', id: Number(rows[0]?.id) });
    const { live: _live, rows: _rows, ...told } = first;
    expect(trace.release).toMatchObject({ ...told, version: 1, is_live: false, live_version: 2 });
    expect(trace.release).toMatchObject({
      built_by: admin.subject,
      introduced_by: { kind: 'release', actor: { subject: admin.subject } },
    });
    const introduced = (await bench.store.registry.history('made', { limit: 10, cursor: undefined }))
      ?.changes;
    expect(trace.release.introduced_by?.at).toBe(introduced?.find(({ to_version }) => to_version === 1)?.at);
    expect(trace.run.attempts).toMatchObject([{ ending: 'exited', resolved_digest: digest }]);

    const story = await traceRecord(bench.store, trace.record.srn);
    expect(story.rows).toMatchObject([{ name: trace.row.name, release: 1, digest, run_id: trace.run.id }]);

    const reads = runReads(bench.database);
    expect(await reads.show(trace.run.id)).toMatchObject({ version: 1, digest, release_id: first.id });
    const listed = await reads.list({ limit: 10, cursor: undefined, hook: 'made' } as Parameters<
      typeof reads.list
    >[0]);
    expect(listed.items).toMatchObject([{ id: trace.run.id, version: 1, release_id: first.id }]);
    const records = await bench.store.ingestions.records(ingestion, { limit: 10, cursor: undefined });
    expect(records?.items[0]?.outcomes).toMatchObject([{ hook: 'made', version: 1, status: 'passed' }]);
    expect(await bench.store.registry.release('made', 1)).toMatchObject({ rows: 1 });
    expect(await bench.store.registry.release('made', 2)).toMatchObject({ rows: 0 });
  });
});

test('a batch with a snapshot is run by a worker that can start its own release, whatever the live one needs', async () => {
  await bench.deploy({ made: own });
  await bench.ingest([record('a', 1)]);
  const dies = { name: 'dies', leaseMs: 1, runtimes: ['directory'], fullHooks: [] } as const;
  await bench.execution.queue.claim(dies);
  await mint({ image: `ghcr.io/acme/made@sha256:${'a'.repeat(64)}`, source_ref: 'git:2' });
  await drain();
  expect(tasks).toHaveLength(1);
  expect(await bench.database.sql`select status from batches`).toMatchObject([{ status: 'done' }]);
});
