import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.ts';
import { featureOf, type HookName, hookNames, type Packed, packHook } from './hooks.ts';
import type { Deploy, Ingestion, Model, Move, Sent, Told } from './model.ts';
import type { Random } from './random.ts';

/** What the clients of one run do, decided before it starts. */
export type Operation =
  | {
      readonly kind: 'deploy';
      readonly fresh: readonly HookName[];
      readonly gamma: boolean;
      readonly schema: string;
    }
  | { readonly kind: 'rollback'; readonly hook: HookName }
  | { readonly kind: 'activate'; readonly hook: HookName; readonly version: number }
  | { readonly kind: 'ingest'; readonly records: readonly Sent[]; readonly batchSize: number }
  | { readonly kind: 'retry' };

export interface Step {
  readonly waitMs: number;
  readonly operation: Operation;
}

const slug = 'crash';

export function planClients(random: Random): Step[][] {
  return Array.from({ length: random.int(2, 3) }, (_, client) =>
    Array.from({ length: random.int(3, 5) }, (_, index) => ({
      waitMs: random.int(0, 250),
      operation: client === 0 && index === 0 ? planIngest(random) : planOperation(random),
    })),
  );
}

function planOperation(random: Random): Operation {
  const dice = random.next();
  const hook = random.pick(['alpha', 'beta'] as const);
  if (dice < 0.45) return planIngest(random);
  if (dice < 0.7) {
    const fresh = random.some(hookNames, random.pick([0, 1, 1, 2, 3]));
    return {
      kind: 'deploy',
      fresh,
      gamma: random.chance(0.4),
      schema: random.pick(['1.0.0', '1.0.0', '1.1.0']),
    };
  }
  if (dice < 0.9) return { kind: 'rollback', hook };
  if (dice < 0.97) return { kind: 'activate', hook, version: random.int(1, 3) };
  return { kind: 'retry' };
}

function planIngest(random: Random): Operation {
  const sources = Array.from({ length: 12 }, (_, index) => `s${index}`);
  const records = random.some(sources, random.int(3, 10)).map((source) => {
    const dice = random.next();
    if (dice < 0.05) return { source, value: 'not a number' };
    return { source, value: dice < 0.15 ? -1 : random.int(0, 7) };
  });
  return { kind: 'ingest', records, batchSize: random.int(2, 6) };
}

export interface WorkloadParts {
  readonly client: Client;
  readonly model: Model;
  /** Where codes are packed. */
  readonly directory: string;
  readonly hookSocket: string;
}

/** Makes the convention with two releases of its hooks, so that there is something to do, and to go back to. */
export async function firstDeploy(parts: WorkloadParts): Promise<void> {
  for (const gamma of [false, true]) {
    await perform(parts, { kind: 'deploy', fresh: ['alpha', 'beta'], gamma, schema: '1.0.0' });
  }
}

export async function runClient(parts: WorkloadParts, steps: readonly Step[]): Promise<void> {
  for (const { waitMs, operation } of steps) {
    await delay(waitMs);
    await perform(parts, operation);
  }
}

export async function perform(parts: WorkloadParts, operation: Operation): Promise<void> {
  if (operation.kind === 'deploy') return deploy(parts, operation);
  if (operation.kind === 'ingest') return ingest(parts, operation);
  if (operation.kind === 'retry') return retryAll(parts);
  return move(parts, operation);
}

async function deploy(parts: WorkloadParts, wanted: Extract<Operation, { kind: 'deploy' }>): Promise<void> {
  const { client, model } = parts;
  const hooks = hookNames.filter((hook) => hook !== 'gamma' || wanted.gamma);
  const codes = new Map<HookName, Packed>();
  for (const hook of hooks) {
    const known = model.newest.get(hook);
    codes.set(hook, known && !wanted.fresh.includes(hook) ? known : await freshCode(parts, hook));
  }
  const digests = new Map([...codes].map(([hook, { digest }]) => [hook, digest]));
  const sent: Deploy = { what: 'deploy', sentAt: Date.now(), hooks, digests };
  model.deploys.push(sent);
  const { body } = await client.write({
    method: 'POST',
    path: '/api/v1/conventions',
    type: 'application/json',
    body: JSON.stringify(manifest(hooks, digests, wanted.schema)),
  });
  const answer = body as { deploy_id: string; changes: { hooks: { name: string; version: number }[] } };
  sent.id = answer.deploy_id;
  sent.versions = new Map(answer.changes.hooks.map(({ name, version }) => [name, version]));
  sent.ackedAt = Date.now();
}

async function freshCode(parts: WorkloadParts, hook: HookName): Promise<Packed> {
  const { client, model, directory, hookSocket } = parts;
  const packed = await packHook(directory, hook, model.token(hook), hookSocket);
  model.codes.set(packed.digest, { hook, token: packed.token });
  await client.write({
    method: 'PUT',
    path: `/api/v1/blobs/${packed.digest.replace('sha256:', '')}`,
    type: 'application/octet-stream',
    body: packed.bytes,
  });
  model.newest.set(hook, packed);
  return packed;
}

function manifest(
  hooks: readonly HookName[],
  digests: ReadonlyMap<HookName, string>,
  schema: string,
): object {
  const value = { name: 'value', type: 'number', required: true, cardinality: 'exactly_one' };
  const note = { name: 'note', type: 'text', required: false, cardinality: 'exactly_one' };
  return {
    slug,
    title: 'Crash',
    description: 'A convention that is broken on purpose.',
    schema: { id: 'crash-record', version: schema, fields: schema === '1.0.0' ? [value] : [value, note] },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: hooks.map((name) => ({
      name,
      feature: featureOf(name),
      release: {
        runtime: 'directory',
        digest: digests.get(name),
        command: ['node', 'hook.mjs'],
        source_ref: 'git:crash',
      },
    })),
  };
}

async function ingest(parts: WorkloadParts, wanted: Extract<Operation, { kind: 'ingest' }>): Promise<void> {
  const { client, model } = parts;
  const sent: Ingestion = { what: 'ingest', sentAt: Date.now(), records: wanted.records };
  model.ingestions.push(sent);
  const lines = wanted.records.map(({ source, value }) =>
    JSON.stringify({ source_id: source, metadata: { value } }),
  );
  const { body } = await client.write({
    method: 'POST',
    path: `/api/v1/conventions/${slug}/ingestions?batch_size=${wanted.batchSize}`,
    type: 'application/x-ndjson',
    body: `${lines.join('\n')}\n`,
  });
  sent.id = String(body.id);
  sent.ackedAt = Date.now();
}

type Moving = Extract<Operation, { kind: 'rollback' | 'activate' }>;

async function move({ client, model }: WorkloadParts, wanted: Moving): Promise<void> {
  const sent: Move = { what: wanted.kind, sentAt: Date.now(), hook: wanted.hook };
  model.moves.push(sent);
  const isRollback = wanted.kind === 'rollback';
  const { body, code } = await client.write({
    method: isRollback ? 'POST' : 'PUT',
    path: `/api/v1/hooks/${wanted.hook}/${isRollback ? 'rollback' : 'live'}`,
    type: 'application/json',
    body: JSON.stringify(isRollback ? { reason: 'crash' } : { version: wanted.version, reason: 'crash' }),
    accept: ['conflict', 'not_found', 'precondition_failed'],
  });
  sent.ackedAt = Date.now();
  if (code !== undefined) sent.refused = code;
  else {
    const answer = body as { live_seq: number; live_version: number; changed: boolean };
    Object.assign(sent, { seq: answer.live_seq, version: answer.live_version, changed: answer.changed });
  }
}

/** Tries again whatever failed in the ingestions that are known by then. */
export async function retryAll({ client, model }: WorkloadParts): Promise<void> {
  for (const { id } of model.ingestions) {
    if (id === undefined) continue;
    const sent: Told = { what: 'retry', sentAt: Date.now() };
    model.retries.push(sent);
    await client.write({
      method: 'POST',
      path: `/api/v1/ingestions/${id}/retry`,
      type: 'application/json',
      body: '{}',
    });
    sent.ackedAt = Date.now();
  }
}
