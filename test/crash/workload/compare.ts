import type { Comparing as Sent } from '../invariants/model.ts';
import type { Random } from '../random.ts';
import { type Comparing, planComparison, type WorkloadParts } from './plan.ts';

/** Asks what a release would change; refused of a release that is not there. */
export async function compare(
  { client, model }: WorkloadParts,
  { hook, version, seed, sample }: Comparing,
  isLast = false,
): Promise<void> {
  const sent: Sent = { what: 'compare', sentAt: Date.now(), hook, version, seed, sample, isLast };
  model.comparisons.push(sent);
  const { body, code } = await client.write({
    method: 'POST',
    path: `/api/v1/hooks/${hook}/comparisons`,
    type: 'application/json',
    body: JSON.stringify({ version, seed, reason: 'crash', ...(sample !== undefined && { sample }) }),
    accept: ['not_found'],
  });
  sent.ackedAt = Date.now();
  if (code === undefined) sent.id = String(body.id);
  else sent.refused = code;
}

/** The same comparison twice, of what does not change any more. */
export async function compareTwice(parts: WorkloadParts, random: Random): Promise<void> {
  const wanted = planComparison(random);
  for (let times = 0; times < 2; times += 1) await compare(parts, wanted, true);
}
