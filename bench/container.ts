import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { sha256 } from '@osa/core/hook/release';
import { ingest } from '@osa/core/ingestion/ingest';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { postgresStore } from '@osa/core/postgres/store';
import { executeNext } from '@osa/core/run/execute';
import type { Execution } from '@osa/core/run/execution';
import { outputThreads } from '@osa/core/run/output/threads';
import { hookSlots } from '@osa/core/run/slots';
import {
  answering,
  type BuiltImage,
  buildImage,
  missing,
  podman,
  podmanRunner,
  removeImages,
} from '../test/support/containers/images.ts';
import { benchDatabase } from './database.ts';
import { principal } from './dataset.ts';
import { type Options, type Result, timed } from './report.ts';

const convention = 'bench-container';
const recordsPerBatch = 10;
const mostRecords = 1_000;
const parallel = 2;

/** Costs of a batch beside its container: claim, attempt, checks, reading its output, commit. */
export async function benchContainer({ quick, log, signal }: Options): Promise<Result[]> {
  if (missing.length > 0) {
    log(`left out: this machine lacks ${missing.join(', ')}`);
    return [];
  }
  const rounds = quick ? 5 : 30;
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: 8, applicationName: 'osa bench' });
  const directory = await mkdtemp(join(tmpdir(), 'osa-bench-'));
  await using threads = outputThreads({ idle: 1 });
  try {
    const image = await buildImage({ script: answering('answer 1') });
    const bench = await prepare(database, { image, directory, threads });
    const whole = await benchWhole({ image, directory, bench, rounds: quick ? 2 : 5, signal });
    const ours: number[] = [];
    const theirs: number[] = [];
    // The first round fills caches, and does not count.
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      await bench.ingest(round, { batches: 1, size: recordsPerBatch });
      const pair = {
        ours: await timed(bench.execute),
        theirs: await timed(() => bareRun(image, directory, 0)),
      };
      if (round === 0) continue;
      ours.push(pair.ours);
      theirs.push(pair.theirs);
    }
    const result: Result = {
      name: 'batch in a container',
      what: `${rounds} batches of ${recordsPerBatch} records with one hook, from claim to commit`,
      limit: '`podman run --rm --network none` of the same image over the same records, in turn with it',
      unit: 'ms',
      ours,
      theirs,
      target: { atMost: 1.4 },
      notes: [place.server],
    };
    return [result, { ...whole, notes: [place.server] }];
  } finally {
    await removeImages();
    await rm(directory, { recursive: true, force: true });
    await database.close();
    await place.close();
  }
}

interface Whole {
  readonly image: BuiltImage;
  readonly directory: string;
  readonly bench: Awaited<ReturnType<typeof prepare>>;
  readonly rounds: number;
  readonly signal: AbortSignal;
}

/** All batches of one upload, two at a time, against as many bare starts of the image, two at a time. */
async function benchWhole({
  image,
  directory,
  bench,
  rounds,
  signal,
}: Whole): Promise<Omit<Result, 'notes'>> {
  const batches = 12;
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    signal.throwIfAborted();
    await bench.ingest(`whole-${round}`, { batches, size: mostRecords });
    const pair = {
      ours: await timed(() => atOnce(batches, () => bench.execute())),
      theirs: await timed(() => atOnce(batches, (slot) => bareRun(image, directory, slot))),
    };
    if (round === 0) continue;
    ours.push(pair.ours);
    theirs.push(pair.theirs);
  }
  return {
    name: 'ingestion in containers',
    what: `${batches} batches of ${mostRecords} records with one hook, ${parallel} at a time, from the first claim to the last commit`,
    limit:
      '`podman run --rm --network none` of the same image over as many records, once a batch, as many at a time',
    unit: 'ms',
    ours,
    theirs,
    target: { atMost: 1.25 },
  };
}

async function atOnce(times: number, work: (slot: number) => Promise<unknown>): Promise<void> {
  let left = times;
  const loop = async (slot: number) => {
    while (left-- > 0) await work(slot);
  };
  await Promise.all(Array.from({ length: parallel }, (_, index) => loop(index + 1)));
}

interface Parts {
  readonly image: BuiltImage;
  readonly directory: string;
  readonly threads: Execution['threads'];
}

async function prepare(database: Database, { image, directory, threads }: Parts) {
  const store = postgresStore(database, { domain: 'localhost' });
  await deploy(store, { principal }, declaration(image));
  await writeBareInput(directory, 0, recordsPerBatch);
  for (let slot = 1; slot <= parallel; slot++) await writeBareInput(directory, slot, mostRecords);
  const execution: Execution = {
    queue: postgresQueue(database, { domain: 'localhost' }),
    runners: [podmanRunner()],
    worker: { name: 'bench', leaseMs: 60_000 },
    slots: hookSlots(parallel),
    held: new Map(),
    threads,
    workspace: join(directory, 'work'),
    maxMemoryBytes: 2 ** 30,
    log: () => undefined,
  };
  return {
    async ingest(round: number | string, { batches, size }: { batches: number; size: number }) {
      const bytes = Buffer.from(
        records(round, batches * size)
          .map((record) => `${JSON.stringify(record)}\n`)
          .join(''),
      );
      const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
      await ingest(store, { principal }, { convention, batchSize: size, upload });
    },
    async execute() {
      if (!(await executeNext(execution, new AbortController().signal)))
        throw new Error('no batch was claimed');
    },
  };
}

async function writeBareInput(directory: string, slot: number, size: number): Promise<void> {
  await mkdir(join(directory, `in-${slot}`));
  await mkdir(join(directory, `out-${slot}`));
  const lines = records(0, size).map(({ source_id, metadata }) =>
    JSON.stringify({ id: source_id, metadata }),
  );
  await writeFile(join(directory, `in-${slot}`, 'records.jsonl'), `${lines.join('\n')}\n`);
}

function records(round: number | string, size: number) {
  return Array.from({ length: size }, (_, index) => ({
    source_id: `r${round}-${index}`,
    metadata: { value: index },
  }));
}

/** The same work with nothing around it; its output stays where it was written. */
async function bareRun({ image }: BuiltImage, directory: string, slot: number): Promise<void> {
  const mount = (name: string) => ['--volume', `${join(directory, `${name}-${slot}`)}:/osa/${name}`];
  const places = [...mount('in'), ...mount('out'), '--env', 'OSA_IN=/osa/in', '--env', 'OSA_OUT=/osa/out'];
  const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096'];
  await podman(
    'run',
    '--rm',
    '--pull',
    'never',
    '--network',
    'none',
    ...limits,
    ...places,
    `${image}:latest`,
  );
}

function declaration({ image, digest }: BuiltImage): DeployRequest {
  const columns = [{ name: 'value', json_type: 'number', required: true }];
  return DeployRequest.parse({
    slug: convention,
    title: convention,
    description: 'A dataset for benchmarks',
    schema: {
      id: 'bench-container-record',
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [
      {
        name: 'contained',
        feature: { cardinality: 'one', columns },
        config: {},
        limits: { memory: '256m', cpu: '1', timeout_seconds: 60 },
        release: { image, digest, source_ref: 'git+https://example.org/repo@1' },
      },
    ],
  });
}
