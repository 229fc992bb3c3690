import { featureOf, type HookName, hookNames, type Packed, packHook } from '../hooks.ts';
import type { Deploy, Mint, Move } from '../invariants/model.ts';
import { containerMemory, containerSeconds } from '../world/containers.ts';
import { type Operation, slug, type WorkloadParts } from './plan.ts';

/** What clients do to conventions and hooks. */

export type Deploying = Extract<Operation, { kind: 'deploy' }>;
type Minting = Extract<Operation, { kind: 'mint' }>;
type Moving = Extract<Operation, { kind: 'rollback' | 'activate' }>;

export async function deploy(parts: WorkloadParts, wanted: Deploying): Promise<void> {
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
    body: JSON.stringify(manifest(codes, wanted.schema)),
  });
  const answer = body as { deploy_id: string; changes: { hooks: { name: string; version: number }[] } };
  sent.id = answer.deploy_id;
  sent.versions = new Map(answer.changes.hooks.map(({ name, version }) => [name, version]));
  sent.ackedAt = Date.now();
}

async function freshCode(parts: WorkloadParts, hook: HookName): Promise<Packed> {
  const { client, model, directory, images, registry } = parts;
  const packed = images
    ? named(model.nextImage(images.get(hook) ?? []), registry)
    : await packHook(directory, hook, model.token(hook));
  model.codes.set(packed.digest, { hook, token: packed.token });
  if (packed.bytes) {
    await client.write({
      method: 'PUT',
      path: `/api/v1/blobs/${packed.digest.replace('sha256:', '')}`,
      type: 'application/octet-stream',
      body: packed.bytes,
    });
  }
  model.newest.set(hook, packed);
  return packed;
}

function named(image: Packed, registry: string): Packed {
  return { ...image, image: `${registry}/${image.image}` };
}

function manifest(codes: ReadonlyMap<HookName, Packed>, schema: string): object {
  const value = { name: 'value', type: 'number', required: true, cardinality: 'exactly_one' };
  const note = { name: 'note', type: 'text', required: false, cardinality: 'exactly_one' };
  return {
    slug,
    title: 'Crash',
    description: 'A convention that is broken on purpose.',
    schema: { id: 'crash-record', version: schema, fields: schema === '1.0.0' ? [value] : [value, note] },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [...codes].map(([name, code]) => ({
      name,
      feature: featureOf(name),
      ...(code.image === undefined
        ? {}
        : { limits: { memory: containerMemory, timeout_seconds: containerSeconds } }),
      release: { ...releaseOf(code), digest: code.digest, source_ref: 'git:crash' },
    })),
  };
}

function releaseOf({ image }: Packed): object {
  if (image === undefined) return { runtime: 'directory', command: ['sh', 'hook.sh'] };
  return { runtime: 'image', image };
}

/** A release without a deploy. Its code is new, so that a repetition without a key finds the release by what it is. */
export async function mint(parts: WorkloadParts, { hook, live, keyed }: Minting): Promise<void> {
  const { client, model } = parts;
  const { digest, image } = await freshCode(parts, hook);
  const sent: Mint = { what: 'mint', sentAt: Date.now(), hook, digest, live };
  model.mints.push(sent);
  const { body } = await client.write({
    method: 'POST',
    path: `/api/v1/hooks/${hook}/releases`,
    type: 'application/json',
    body: JSON.stringify({ digest, image, source_ref: 'git:crash', live, reason: 'crash' }),
    keyed,
  });
  sent.version = Number(body.version);
  sent.created = body.created === true;
  sent.ackedAt = Date.now();
}

export async function move({ client, model }: WorkloadParts, wanted: Moving): Promise<void> {
  const { cancelRunning } = wanted;
  const sent: Move = { what: wanted.kind, sentAt: Date.now(), hook: wanted.hook, cancelRunning };
  model.moves.push(sent);
  const isRollback = wanted.kind === 'rollback';
  const { body, code } = await client.write({
    method: isRollback ? 'POST' : 'PUT',
    path: `/api/v1/hooks/${wanted.hook}/${isRollback ? 'rollback' : 'live'}`,
    type: 'application/json',
    body: JSON.stringify({
      ...(isRollback ? {} : { version: wanted.version }),
      reason: 'crash',
      cancel_running: cancelRunning,
    }),
    accept: ['conflict', 'not_found', 'precondition_failed'],
  });
  sent.ackedAt = Date.now();
  if (code !== undefined) sent.refused = code;
  else {
    const answer = body as {
      live_seq: number;
      live_version: number;
      from_version: number;
      changed: boolean;
    };
    Object.assign(sent, {
      ...{ seq: answer.live_seq, version: answer.live_version, changed: answer.changed },
      left: answer.from_version,
    });
  }
}
