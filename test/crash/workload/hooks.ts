import { setTimeout as delay } from 'node:timers/promises';
import { featureOf, type HookName, hookNames } from '../hooks.ts';
import type { Declared, Deploy, Mint, Move, Recomputing, Replaying } from '../invariants/model.ts';
import { type Operation, slug, type WorkloadParts } from './plan.ts';
import { changed, fieldsOf, noteRelease } from './releases.ts';

/** Acts of clients on conventions and hooks. */

export type Deploying = Extract<Operation, { kind: 'deploy' }>;
type Minting = Extract<Operation, { kind: 'mint' }>;
type Moving = Extract<Operation, { kind: 'rollback' | 'activate' }>;

export async function deploy(parts: WorkloadParts, wanted: Deploying): Promise<void> {
  const { client, model } = parts;
  const hooks = hookNames.filter((hook) => hook !== 'gamma' || wanted.gamma);
  const declared = new Map<HookName, Declared>();
  for (const hook of hooks) {
    const known = model.newest.get(hook);
    const isKept = known && !wanted.fresh.includes(hook);
    declared.set(hook, isKept ? known : await changed(parts, hook, wanted.part));
  }
  const sent: Deploy = { what: 'deploy', sentAt: Date.now(), hooks };
  model.deploys.push(sent);
  const releases = [...declared].map(([hook, release]) => noteRelease(parts, hook, release));
  const { body } = await client.write({
    method: 'POST',
    path: '/api/v1/conventions',
    type: 'application/json',
    body: JSON.stringify(manifest(declared, wanted.schema)),
  });
  const answer = body as { deploy_id: string; changes: { hooks: { name: string; version: number }[] } };
  sent.id = answer.deploy_id;
  for (const release of releases) {
    const found = answer.changes.hooks.find(({ name }) => name === release.hook);
    if (found) release.version = found.version;
  }
  sent.ackedAt = Date.now();
}

function manifest(declared: ReadonlyMap<HookName, Declared>, schema: string): object {
  const value = { name: 'value', type: 'number', required: true, cardinality: 'exactly_one' };
  const note = { name: 'note', type: 'text', required: false, cardinality: 'exactly_one' };
  return {
    slug,
    title: 'Crash',
    description: 'A convention that is broken on purpose.',
    schema: { id: 'crash-record', version: schema, fields: schema === '1.0.0' ? [value] : [value, note] },
    file_requirements: { accepted_types: [], min_count: 0, max_count: 1, max_file_size: 0 },
    ...{ curation: 'manual', approve_own: true },
    hooks: [...declared].map(([name, release]) => ({ name, feature: featureOf(name), ...fieldsOf(release) })),
  };
}

/**
 * A release without a deploy, new in one part. The part is new to all, so that a repetition without a key finds the
 * release by what it is. The other parts are named, or left to what is live.
 */
export async function mint(parts: WorkloadParts, wanted: Minting): Promise<void> {
  const { client, model } = parts;
  const { hook, part, live, keyed } = wanted;
  const whole = await changed(parts, hook, part);
  const named = wanted.isWhole ? whole : partOf(whole, part);
  const sent: Mint = { what: 'mint', sentAt: Date.now(), hook, live };
  model.mints.push(sent);
  const asked = noteRelease(parts, hook, named);
  const { release, ...others } = fieldsOf(named);
  const { body } = await client.write({
    method: 'POST',
    path: `/api/v1/hooks/${hook}/releases`,
    type: 'application/json',
    body: JSON.stringify({ ...release, ...others, live, reason: 'crash' }),
    keyed,
  });
  sent.version = Number(body.version);
  sent.created = body.created === true;
  asked.version = sent.version;
  sent.ackedAt = Date.now();
}

function partOf({ code, config, argument, seconds }: Declared, part: Minting['part']): Partial<Declared> {
  switch (part) {
    case 'code':
      return { code };
    case 'config':
      return { config };
    case 'command':
      return { argument };
    case 'limits':
      return { seconds };
  }
}

export async function move({ client, model }: WorkloadParts, wanted: Moving): Promise<void> {
  const { cancelRunning, heal } = wanted;
  const sent: Move = { what: wanted.kind, sentAt: Date.now(), hook: wanted.hook, cancelRunning, heal };
  model.moves.push(sent);
  const isRollback = wanted.kind === 'rollback';
  const { body, code } = await client.write({
    method: isRollback ? 'POST' : 'PUT',
    path: `/api/v1/hooks/${wanted.hook}/${isRollback ? 'rollback' : 'live'}`,
    type: 'application/json',
    body: JSON.stringify({
      ...(isRollback ? {} : { version: wanted.version }),
      reason: 'crash',
      ...{ cancel_running: cancelRunning, heal },
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
      still_running: {
        version: number;
        ingestion_id: string | null;
        recompute_id: string | null;
        batches: number;
      }[];
      recompute: { id: string } | null;
    };
    Object.assign(sent, {
      ...{ seq: answer.live_seq, version: answer.live_version, changed: answer.changed },
      left: answer.from_version,
      recompute: answer.recompute?.id,
      kept: answer.still_running.filter(({ version }) => version === answer.from_version),
    });
  }
}

/** Between two looks at what is current, and how long it may take to come. */
const lookMs = 100;
const comesWithinMs = 4_000;

/** Rolls back and heals; with `waits` only when there is something to heal, or nothing has come for a while. */
export async function heal(
  parts: WorkloadParts,
  { hook, waits }: { readonly hook: HookName; readonly waits: boolean },
): Promise<void> {
  const deadline = Date.now() + (waits ? comesWithinMs : 0);
  while (Date.now() < deadline) {
    const counted = await parts.client.read<Stale>(`/api/v1/hooks/${hook}/stale`);
    if (counted?.releases.some(({ is_live, records }) => is_live && records > 0)) break;
    await delay(lookMs);
  }
  await move(parts, { kind: 'rollback', hook, cancelRunning: false, heal: true });
}

interface Stale {
  readonly releases: readonly { readonly is_live: boolean; readonly records: number }[];
}

/** Computes again what is not of the live release; refused while the hook is paused. */
export async function recompute({ client, model }: WorkloadParts, hook: HookName): Promise<void> {
  const sent: Recomputing = { what: 'recompute', sentAt: Date.now(), hook };
  model.recomputes.push(sent);
  const { body, code } = await client.write({
    method: 'POST',
    path: `/api/v1/hooks/${hook}/recomputes`,
    type: 'application/json',
    body: JSON.stringify({ reason: 'crash' }),
    accept: ['conflict'],
  });
  sent.ackedAt = Date.now();
  if (code === undefined) sent.id = String(body.id);
  else sent.refused = code;
}

/** How often, and how many milliseconds apart, a replay asks for a hook that has published nothing yet. */
const [mostAsks, askAgainMs] = [20, 250];

/** Runs results of the hook once more, as soon as it has some; refused while the hook is paused. */
export async function replay(
  { client, model }: WorkloadParts,
  { hook, sample }: { readonly hook: HookName; readonly sample: number },
): Promise<void> {
  for (let asks = 1; ; asks += 1) {
    const sent: Replaying = { what: 'replay', sentAt: Date.now(), hook };
    model.replays.push(sent);
    const { body, code } = await client.write({
      method: 'POST',
      path: '/api/v1/replays',
      type: 'application/json',
      body: JSON.stringify({ hook, sample, reason: 'crash' }),
      accept: ['conflict', 'not_found'],
    });
    sent.ackedAt = Date.now();
    if (code === undefined) sent.id = String(body.id);
    else sent.refused = code;
    if (code !== 'not_found' || asks === mostAsks) return;
    await delay(askAgainMs);
  }
}

/** Tries again whatever errored in the recomputes that are there by then. */
export async function retryRecomputes({ client }: WorkloadParts): Promise<void> {
  const { items = [] } =
    (await client.read<{ items: { id: string }[] }>('/api/v1/recomputes?limit=1000')) ?? {};
  for (const { id } of items) {
    await client.write({
      method: 'POST',
      path: `/api/v1/recomputes/${id}/retry`,
      type: 'application/json',
      body: '{}',
    });
  }
}
