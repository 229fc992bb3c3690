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
import { median, type Options, type Result, timed } from './report.ts';

const convention = 'bench-container';
const recordsPerBatch = 10;

/** What a batch costs beside its container: claim, attempt, checks, reading its output, commit. */
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
    const ours: number[] = [];
    const theirs: number[] = [];
    // The first round fills caches, and does not count.
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      await bench.ingest(round);
      const pair = { ours: await timed(bench.execute), theirs: await timed(() => bareRun(image, directory)) };
      if (round === 0) continue;
      ours.push(pair.ours);
      theirs.push(pair.theirs);
    }
    const result: Result = {
      name: 'batch in a container',
      what: `${rounds} batches of ${recordsPerBatch} records with one hook, from claim to commit`,
      limit: '`podman run --rm --network none` of the same image over the same records, in turn with it',
      unit: 'ms',
      ours: median(ours),
      theirs: median(theirs),
      target: { atMost: 2 },
      notes: [place.server],
    };
    return [result];
  } finally {
    await removeImages();
    await rm(directory, { recursive: true, force: true });
    await database.close();
    await place.close();
  }
}

interface Parts {
  readonly image: BuiltImage;
  readonly directory: string;
  readonly threads: Execution['threads'];
}

async function prepare(database: Database, { image, directory, threads }: Parts) {
  const store = postgresStore(database, { domain: 'localhost' });
  await deploy(store, { principal }, declaration(image));
  await mkdir(join(directory, 'in'));
  await mkdir(join(directory, 'out'));
  await writeFile(
    join(directory, 'in', 'records.jsonl'),
    records(0)
      .map(({ source_id, metadata }) => `${JSON.stringify({ id: source_id, metadata })}\n`)
      .join(''),
  );
  const execution: Execution = {
    queue: postgresQueue(database, { domain: 'localhost' }),
    runners: [podmanRunner()],
    worker: { name: 'bench', leaseMs: 60_000 },
    slots: hookSlots(1),
    held: new Map(),
    threads,
    workspace: join(directory, 'work'),
    maxMemoryBytes: 2 ** 30,
    log: () => undefined,
  };
  return {
    async ingest(round: number) {
      const bytes = Buffer.from(
        records(round)
          .map((record) => `${JSON.stringify(record)}\n`)
          .join(''),
      );
      const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
      await ingest(store, { principal }, { convention, batchSize: recordsPerBatch, upload });
    },
    async execute() {
      if (!(await executeNext(execution, new AbortController().signal)))
        throw new Error('no batch was claimed');
    },
  };
}

function records(round: number) {
  return Array.from({ length: recordsPerBatch }, (_, index) => ({
    source_id: `r${round}-${index}`,
    metadata: { value: index },
  }));
}

/** The same work with nothing around it; its output stays where it was written. */
async function bareRun({ image }: BuiltImage, directory: string): Promise<void> {
  const mount = (name: string) => ['--volume', `${join(directory, name)}:/osa/${name}`];
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
