import { setTimeout as delay } from 'node:timers/promises';
import type { Deposit, Ingestion } from '../invariants/model.ts';
import type { Answered } from '../world/client.ts';
import { fileOf, namedFile, sendFile } from './files.ts';
import { type Operation, slug, type WorkloadParts } from './plan.ts';

type Depositing = Extract<Operation, { kind: 'deposit' }>;

interface View {
  readonly id: string;
  readonly status: 'draft' | 'in_validation' | 'in_review' | 'accepted';
  readonly submissions: readonly { readonly ingestion: string; readonly status: string }[];
}

const endWithinMs = 180_000;

/**
 * A deposition from its draft to its end: what comes back is mended and submitted again, and what is in review is decided
 * after a while, by two reviewers at once where `decision` is `both`.
 */
export async function deposit(parts: WorkloadParts, wanted: Depositing): Promise<void> {
  const { value, decision } = wanted;
  const sent: Deposit = { what: 'deposit', sentAt: Date.now(), decisions: [] };
  parts.model.deposits.push(sent);
  const body = JSON.stringify({ convention_id: slug, metadata: { value } });
  const created = await tell(parts, 'POST', '/api/v1/depositions', body);
  const { id } = created.body as unknown as View;
  sent.id = id;
  let found = await submit(parts, sent, value);
  if (found.status === 'draft') {
    await tell(parts, 'PATCH', `${pathOf(id)}/metadata`, JSON.stringify({ value: wanted.mended }));
    found = await submit(parts, sent, wanted.mended);
  }
  // A recompute may have taken it back meanwhile; then it comes into review again.
  while (found.status === 'in_review' && sent.decisions.length === 0) {
    await delay(wanted.decidesAfterMs);
    await decide(parts, sent, decision);
    found = await untilRun(parts, id);
  }
  sent.ackedAt = Date.now();
}

function pathOf(id: string | undefined): string {
  return `/api/v1/depositions/${id}`;
}

async function submit(parts: WorkloadParts, sent: Deposit, value: number): Promise<View> {
  const record = { source: `deposition-${sent.id}`, value };
  await sendFile(parts.client, record);
  const file = fileOf(record);
  const files = JSON.stringify({ files: file ? [namedFile(file)] : [] });
  await tell(parts, 'PUT', `${pathOf(sent.id)}/files`, files);
  const submission: Ingestion = { what: 'submit', sentAt: Date.now(), records: [record] };
  parts.model.submissions.push(submission);
  const { body } = await tell(parts, 'POST', `${pathOf(sent.id)}/submit`, '{}');
  submission.id = String((body as unknown as View).submissions[0]?.ingestion);
  submission.ackedAt = Date.now();
  return untilRun(parts, sent.id);
}

async function untilRun({ client }: WorkloadParts, id: string | undefined): Promise<View> {
  const deadline = Date.now() + endWithinMs;
  for (;;) {
    const found = await client.read<View>(pathOf(id));
    if (found && found.status !== 'in_validation') return found;
    if (Date.now() > deadline) throw new Error(`deposition ${id} has not been run within ${endWithinMs} ms`);
    await delay(60);
  }
}

async function decide(parts: WorkloadParts, sent: Deposit, decision: Depositing['decision']): Promise<void> {
  const acts = { approve: '{}', reject: '{"reason":"value: is not plausible"}', withdraw: '{}' } as const;
  const chosen = decision === 'both' ? (['approve', 'reject'] as const) : ([decision] as const);
  await Promise.all(
    chosen.map(async (act) => {
      const path = `${pathOf(sent.id)}/${act}`;
      const { code } = await tell(parts, 'POST', path, acts[act], ['conflict']);
      if (code === undefined) sent.decisions.push(act);
    }),
  );
}

function tell(
  { client }: WorkloadParts,
  method: 'POST' | 'PATCH' | 'PUT',
  path: string,
  body: string,
  accept: readonly string[] = [],
): Promise<Answered> {
  return client.write({ method, path, type: 'application/json', body, accept, untold: true });
}
