import { setTimeout as delay } from 'node:timers/promises';
import type { Hold } from '../invariants/model.ts';
import type { Operation, WorkloadParts } from './plan.ts';

/** Acts of clients that keep batches from being claimed. */

/** Whoever pauses also resumes, so that the run comes to its end. */
export async function pause(
  parts: WorkloadParts,
  { hook, forMs }: Extract<Operation, { kind: 'pause' }>,
): Promise<void> {
  const ingestion = lastIngestion(parts);
  const of = hook ?? ingestion;
  if (of === undefined) return;
  const path = hook ? `/api/v1/hooks/${hook}` : `/api/v1/ingestions/${ingestion}`;
  const { pauses, resumes } = parts.model;
  const code = await tell(parts, { of, path: `${path}/pause` }, pauses);
  if (code !== undefined) return;
  await delay(forMs);
  await tell(parts, { of, path: `${path}/resume` }, resumes);
}

/** A cancelled ingestion is not paused any more: what a retry makes of it may be claimed. */
export async function cancel(parts: WorkloadParts): Promise<void> {
  const of = lastIngestion(parts);
  if (of === undefined) return;
  const { cancels, resumes } = parts.model;
  const sent: Hold = { what: 'cancel', of, sentAt: Date.now() };
  cancels.push(sent);
  resumes.push(sent);
  await write(parts, `/api/v1/ingestions/${of}/cancel`);
  sent.ackedAt = Date.now();
}

function lastIngestion({ model }: WorkloadParts): string | undefined {
  return model.ingestions.findLast(({ id }) => id !== undefined)?.id;
}

async function tell(
  parts: WorkloadParts,
  { of, path }: { readonly of: string; readonly path: string },
  list: Hold[],
): Promise<string | undefined> {
  const sent: Hold = { what: path, of, sentAt: Date.now() };
  list.push(sent);
  const code = await write(parts, path);
  if (code === undefined) sent.ackedAt = Date.now();
  else sent.refused = code;
  return code;
}

/** Nothing is left to pause when an ingestion has ended meanwhile. */
async function write({ client }: WorkloadParts, path: string): Promise<string | undefined> {
  const { code } = await client.write({
    method: 'POST',
    path,
    type: 'application/json',
    body: '{}',
    accept: ['conflict'],
  });
  return code;
}
