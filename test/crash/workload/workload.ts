import { setTimeout as delay } from 'node:timers/promises';
import { fussyValue, type HookName } from '../hooks.ts';
import type { Ingestion, Told } from '../invariants/model.ts';
import { compare } from './compare.ts';
import { deposit } from './deposit.ts';
import { fileOf, namedFile, sendFile } from './files.ts';
import { cancel, pause } from './holds.ts';
import { deploy, heal, mint, move, recompute, replay } from './hooks.ts';
import { type Operation, type Step, slug, type Upload, type WorkloadParts } from './plan.ts';

/** Makes the convention with two releases of its hooks, so that there is something to do, and to go back to. */
export async function firstDeploy(parts: WorkloadParts): Promise<void> {
  for (const gamma of [false, true]) {
    await perform(parts, { kind: 'deploy', fresh: ['alpha', 'beta'], part: 'code', gamma, schema: '1.0.0' });
  }
}

export async function runClient(parts: WorkloadParts, steps: readonly Step[]): Promise<void> {
  for (const { waitMs, operation } of steps) {
    await delay(waitMs);
    await perform(parts, operation);
  }
}

async function perform(parts: WorkloadParts, operation: Operation): Promise<void> {
  switch (operation.kind) {
    case 'deploy':
      return deploy(parts, operation);
    case 'mint':
      return mint(parts, operation);
    case 'rollback':
    case 'activate':
      return move(parts, operation);
    case 'heal':
      return heal(parts, operation);
    case 'recompute':
      return recompute(parts, operation.hook);
    case 'deposit':
      return deposit(parts, operation);
    case 'replay':
      return replay(parts, operation);
    case 'compare':
      return compare(parts, operation);
    case 'break':
      return breakOld(parts, operation.hook);
    case 'ingest':
      return ingest(parts, operation);
    case 'burst':
      for (const upload of operation.uploads) await ingest(parts, upload);
      return;
    case 'pause':
      return pause(parts, operation);
    case 'cancel':
      return cancel(parts);
    case 'retry':
      return retryAll(parts);
  }
}

async function ingest(parts: WorkloadParts, wanted: Upload): Promise<void> {
  const { client, model } = parts;
  const sent: Ingestion = { what: 'ingest', sentAt: Date.now(), records: wanted.records };
  model.ingestions.push(sent);
  for (const record of wanted.records) await sendFile(client, record);
  const lines = wanted.records.map((record) => {
    const { source, value } = record;
    const file = fileOf(record);
    return JSON.stringify({
      source_id: source,
      metadata: { value },
      ...(file && { files: [namedFile(file)] }),
    });
  });
  const { body } = await client.write({
    method: 'POST',
    path: `/api/v1/conventions/${slug}/ingestions?batch_size=${wanted.batchSize}`,
    type: 'application/x-ndjson',
    body: `${lines.join('\n')}\n`,
  });
  sent.id = String(body.id);
  sent.ackedAt = Date.now();
}

/** One record that the first releases end at, published under one that does not, and then computed again by them. */
async function breakOld(parts: WorkloadParts, hook: HookName): Promise<void> {
  await ingest(parts, { records: [{ source: `old-${hook}`, value: fussyValue }], batchSize: 1 });
  await heal(parts, { hook, waits: true });
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
