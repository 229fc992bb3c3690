import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Answer } from '@osa/core/api';
import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import type { DeployOptions } from '@osa/core/convention/plan';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { sha256 } from '@osa/core/hook/release';
import { ingest } from '@osa/core/ingestion/ingest';
import { bounds } from '@osa/core/limits';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresQueue } from '@osa/core/postgres/queue/queue';
import { postgresStore } from '@osa/core/postgres/store';
import { executeNext } from '@osa/core/run/execute';
import type { Execution } from '@osa/core/run/execution';
import { outputThreads } from '@osa/core/run/output/threads';
import type { Runner } from '@osa/core/run/runner';
import { hookSlots } from '@osa/core/run/slots';
import { processRunner } from '@osa/core/runners/process/process';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import type { FileStore } from '@osa/core/storage/index';
import type { Store } from '@osa/core/store';
import { admin, scratch, type TestDatabase, testDatabase } from './database/database.ts';

/** The whole of core over a database and a directory of its own, without HTTP: deploy, ingest and run by function calls. */
export interface CoreArchive {
  readonly store: Store;
  /** The database as the application's role sees it. */
  readonly database: Database;
  /** Opens another pool on its database, which `dispose` ends. */
  open: (as: 'owner' | 'app', options?: Parameters<TestDatabase['open']>[1]) => Database;
  readonly execution: Execution;
  /** Deploys a convention whose hooks are JavaScript files, by name. */
  deploy(
    hooks: Readonly<Record<string, HookSource>>,
    overrides?: Partial<DeployRequest>,
    options?: Partial<DeployOptions>,
  ): Promise<Answer<'deploy'>>;
  ingest(records: readonly unknown[], batchSize?: number): Promise<Answer<'ingest'>>;
  /** Runs batches until none can be claimed. */
  drain(): Promise<void>;
  dispose(): Promise<void>;
}

export interface HookSource {
  /** The text of hook.mjs; `answer(record)` is called for each record and gives an output line. */
  readonly code?: string;
  /** An image instead. */
  readonly image?: { readonly image: string; readonly digest: string };
  readonly columns?: readonly object[];
  readonly cardinality?: 'one' | 'many';
  readonly limits?: object;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly command?: readonly string[];
  readonly sourceRef?: string;
}

export const convention = 'bench';

export interface CoreArchiveOptions {
  /** Instead of the process runner. */
  readonly runners?: readonly Runner[];
  readonly maxMemoryBytes?: number;
  readonly files?: FileStore;
}

export async function coreArchive(options: CoreArchiveOptions = {}): Promise<CoreArchive> {
  const [directory, test] = [await scratch(), await testDatabase()];
  const open: CoreArchive['open'] = (as, pool) =>
    test.open(as === 'owner' ? test.ownerUrl : test.appUrl, pool);
  const database = open('app', { max: 10 });
  const store = postgresStore(database, { domain: 'localhost' });
  const blobs = filesystemBlobs(join(directory.path, 'blobs'));
  const threads = outputThreads({ idle: 1 });
  const execution: Execution = {
    queue: postgresQueue(database, { domain: 'localhost' }),
    runners: options.runners ?? [processRunner({ blobs, environment: process.env })],
    worker: { name: 'bench', leaseMs: 30_000 },
    slots: hookSlots(2),
    held: new Map(),
    threads,
    ...(options.files && { files: options.files }),
    workspace: join(directory.path, 'work'),
    maxMemoryBytes: options.maxMemoryBytes ?? 2 ** 40,
    log: () => undefined,
  };
  let packed = 0;
  return {
    store,
    database,
    open,
    execution,
    async deploy(hooks, overrides = {}, options = {}) {
      const declared = [];
      for (const [name, source] of Object.entries(hooks)) {
        if (source.image) {
          declared.push(declaration(name, source, { runtime: 'image', ...source.image }));
          continue;
        }
        packed += 1;
        const place = join(directory.path, 'hooks', `${name}-${packed}`);
        await mkdir(place, { recursive: true });
        await writeFile(join(place, 'hook.mjs'), source.code ?? '');
        const pack = await packDirectory(place);
        const digest = pack.digest.replace('sha256:', '');
        await blobs.put(digest, pack.open(), { maxBytes: bounds.blobBytes });
        await store.write({ principal: admin }, async ({ registry }) => {
          await registry.recordBlob(digest, pack.size);
          return {};
        });
        const command = source.command ?? ['node', 'hook.mjs'];
        declared.push(declaration(name, source, { runtime: 'directory', digest: pack.digest, command }));
      }
      return deploy(store, { principal: admin }, request(declared, overrides), {
        activate: false,
        ...options,
      });
    },
    async ingest(records, batchSize = 1_000) {
      const bytes = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
      const upload = { sha256: sha256(bytes), open: () => Readable.from([bytes]) };
      return ingest(store, { principal: admin }, { convention, batchSize, upload });
    },
    async drain() {
      while (await executeNext(execution, new AbortController().signal));
    },
    async dispose() {
      await threads[Symbol.asyncDispose]();
      await test.close();
      await directory.dispose();
    },
  };
}

/** A hook that answers each record with the line that `body` (of a function of `id` and `metadata`) returns. */
export function hookCode(body: string): string {
  return `import { readFileSync, writeFileSync } from 'node:fs';
const answer = (id, metadata) => { ${body} };
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean);
const out = lines.map((line) => JSON.parse(line)).map(({ id, metadata }) => ({ id, ...answer(id, metadata) }));
const keep = (key) => out.filter((line) => key in line).map((line) => JSON.stringify(line) + '\\n').join('');
writeFileSync(process.env.OSA_OUT + '/features.jsonl', keep('features'));
writeFileSync(process.env.OSA_OUT + '/rejections.jsonl', keep('reason'));
writeFileSync(process.env.OSA_OUT + '/errors.jsonl', keep('error'));
`;
}

/** A record whose one field is \`value\`. */
export function record(sourceId: string, value: number): object {
  return { source_id: sourceId, metadata: { value } };
}

function declaration(name: string, source: HookSource, runtime: object): object {
  return {
    name,
    feature: {
      cardinality: source.cardinality ?? 'one',
      columns: source.columns ?? [{ name: 'value', json_type: 'number', required: true }],
    },
    config: source.config ?? {},
    ...(source.limits ? { limits: source.limits } : {}),
    release: { ...runtime, source_ref: source.sourceRef ?? 'git+https://example.org/repo@1' },
  };
}

function request(hooks: readonly object[], overrides: Partial<DeployRequest>): DeployRequest {
  return DeployRequest.parse({
    slug: convention,
    title: 'Bench',
    description: 'A convention for tests',
    schema: {
      id: 'bench-record',
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks,
    ...overrides,
  });
}
