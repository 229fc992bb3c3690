import { Readable } from 'node:stream';
import { routes } from '@osa/core/api';
import type { Principal } from '@osa/core/auth/principal';
import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import type { FeatureContract } from '@osa/core/hook/hook';
import { release } from '@osa/core/hook/mint';
import { sha256 } from '@osa/core/hook/release';
import { ingest } from '@osa/core/ingestion/ingest';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { postgresStore } from '@osa/core/postgres/store';
import type { BatchQueue, Claim, RunResult } from '@osa/core/run/queue';
import { type BatchRows, contract, outputOf } from './batch-rows.ts';

/** A batch as the worker holds it when its hook has answered: what is left is to write it. */
export interface HeldBatch {
  readonly claim: Claim;
  readonly result: RunResult;
  readonly rows: BatchRows;
}

/** One convention with one hook, and the way to batches of it that have come as far as the final transaction. */
export interface Dataset {
  readonly hook: string;
  readonly queue: BatchQueue;
  /** Ingests, claims and starts one batch for each element; `rows` become the answer of the hook. */
  hold(rows: readonly BatchRows[]): Promise<HeldBatch[]>;
  /** Claims and starts a batch of published records that are computed again; the cells of `rows` become the answer. */
  holdAgain(rows: BatchRows): Promise<HeldBatch>;
  /** Makes a release live that differs in its config. */
  release(): Promise<void>;
}

const ReleaseRequest = routes.release.body;

const domain = 'localhost';
const digest = `sha256:${'0'.repeat(64)}`;
/** No lease runs out while a round is prepared. */
const leaseMs = 60 * 60 * 1_000;
export const principal: Principal = {
  issuer: 'bench',
  subject: 'bench',
  scopes: new Set(['conventions:write', 'hooks:write', 'ingestions:write']),
};

export async function deployDataset(database: Database, hook: string): Promise<Dataset> {
  const convention = `bench-${hook}`;
  const store = postgresStore(database, { domain });
  const queue = postgresQueue(database, { domain });
  await deploy(store, { principal }, declaration(convention, hook, contract));
  let [records, releases] = [0, 0];
  return {
    hook,
    queue,
    async hold(batches) {
      for (const { recordIds } of batches) {
        const bytes = Buffer.from(recordIds.map((id) => recordLine(id, records++)).join(''));
        const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
        await ingest(store, { principal }, { convention, batchSize: recordIds.length, upload });
      }
      const held: HeldBatch[] = [];
      for (const rows of batches) held.push(await claimBatch(queue, rows));
      return held;
    },
    holdAgain: (rows) => claimBatch(queue, rows, { isAgain: true }),
    async release() {
      releases += 1;
      await release(store, { principal }, hook, ReleaseRequest.parse({ config: { releases } }));
    },
  };
}

async function claimBatch(queue: BatchQueue, given: BatchRows, { isAgain = false } = {}): Promise<HeldBatch> {
  const claim = await queue.claim({
    name: 'bench',
    leaseMs,
    runtimes: ['directory', 'image'],
    fullHooks: [],
  });
  const [run] = claim?.runs ?? [];
  if (!claim || !run) throw new Error('a batch was ingested and cannot be claimed');
  const start = { run: run.id, memoryBytes: 2 ** 30, runner: 'bench' };
  const { n, startedAt } = await queue.startAttempt(claim, start);
  const exited = { ending: 'exited', exitCode: 0, exitSignal: null, detail: null, log: null } as const;
  await queue.endAttempt(
    { run: run.id, n },
    { ...exited, resolvedDigest: run.release.digest, platformDigest: null, logBytes: null },
  );
  // Records that are computed again come in an order of their own.
  const rows = isAgain ? { ...given, recordIds: claim.records.map(({ sourceId }) => sourceId) } : given;
  const output = outputOf(claim, rows);
  const inputDigest = sha256(claim.batch);
  const ended = { status: 'passed', reason: null, attempt: n, answeredBy: new Map(), startedAt } as const;
  const result = { run, ...ended, inputDigest, output };
  return { claim, result, rows };
}

function recordLine(sourceId: string, value: number): string {
  const metadata = { value, title: `Event ${value}`, place: 'somewhere off the coast' };
  return `${JSON.stringify({ source_id: sourceId, metadata })}\n`;
}

function declaration(slug: string, hook: string, feature: FeatureContract): DeployRequest {
  const text = { cardinality: 'exactly_one', required: true } as const;
  return DeployRequest.parse({
    slug,
    title: slug,
    description: 'A dataset for benchmarks',
    schema: {
      id: slug,
      version: '1.0.0',
      fields: [
        { name: 'value', type: 'number', ...text },
        { name: 'title', type: 'text', ...text },
        { name: 'place', type: 'text', ...text },
      ],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [
      { name: hook, feature, release: { image: 'bench', digest, source_ref: 'git+https://example.org@1' } },
    ],
  });
}
