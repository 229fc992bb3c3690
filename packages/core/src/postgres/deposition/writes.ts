import type { DepositionWrites, StoredDeposition } from '../../deposition/depositions.ts';
import { OsaError } from '../../error.ts';
import type { RecordFile } from '../../file/file.ts';
import { bounds } from '../../limits.ts';
import type { NodeIdentity } from '../../record/srn.ts';
import type { RecordEnd } from '../../run/verdict.ts';
import { cut } from '../../text.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';
import { knownFiles } from '../files.ts';
import { waitingForAll } from '../lock-wait.ts';
import { finishHeld } from '../queue/commit.ts';
import { endBatches, lockOpen, takeTurn } from '../queue/end.ts';
import { useIndexLookups } from '../queue/plans.ts';
import { readClaim } from '../queue/snapshot.ts';
import { heldResults } from './keep-for-review.ts';
import { viewOf } from './reads.ts';

/** The writes of depositions, within one transaction of one actor. */
export function depositionWrites(tx: Transaction, actor: number, node: NodeIdentity): DepositionWrites {
  return {
    knownFiles: (digests) => knownFiles(tx, digests, tx`${actor}`),
    async takeTurn() {
      await tx`select pg_advisory_xact_lock(hashtextextended('osa.depositor ' || ${actor}::bigint, 0))`;
    },
    async countOpen(most) {
      const rows = await tx`
        select from depositions where owner = ${actor} and status = 'in_validation' limit ${most}`;
      return rows.length;
    },
    async waitSeconds(most) {
      const [row] = await tx<{ seconds: number }[]>`
        select ceil(extract(epoch from sealed_at + interval '1 day' - now()))::integer as seconds
        from ingestions where deposition is not null and actor between ${actor} and ${actor}
        order by actor desc, sealed_at desc offset ${most - 1} limit 1`;
      return Math.max(0, row?.seconds ?? 0);
    },
    async countDrafts(most) {
      const rows = await tx`
        select from depositions where owner = ${actor} and status = 'draft' limit ${most}`;
      return rows.length;
    },
    async create({ id, convention, metadata }) {
      await tx`
        insert into depositions (id, convention, owner, metadata)
        values (${id}, ${convention}, ${actor}, ${metadata}::text::json)`;
    },
    find: (id) => read(tx, id, 'free'),
    lockDraft: (id) => read(tx, id, 'locked'),
    lockSubmitted: (id) => lockSubmitted(tx, id),
    async setMetadata(id, metadata) {
      await tx`update depositions set metadata = ${metadata}::text::json where id = ${id}`;
    },
    setFiles: (id, files) => setFiles(tx, id, files),
    withdraw: (submission) => endSubmission(tx, submission, 'withdrawn by its depositor'),
    async end({ id, submission }, reason) {
      await tx`
        insert into deposition_ends (ingestion, deposition, reason, actor)
        values (${submission}, ${id}, ${reason}, ${actor})`;
      await endSubmission(tx, submission, 'ended by an operator');
    },
    async waitToDelete(most) {
      const [row] = await tx<{ seconds: number }[]>`
        select ceil(extract(epoch from deleted_at + interval '1 day' - now()))::integer as seconds
        from depositions where status = 'deleted' and owner between ${actor} and ${actor}
        order by owner desc, deleted_at desc offset ${most - 1} limit 1`;
      return Math.max(0, row?.seconds ?? 0);
    },
    async delete(id) {
      await tx`delete from deposition_files where deposition = ${id}`;
      await tx`update depositions set deleted_by = ${actor} where id = ${id}`;
    },
    review: (deposition, decision) => review(tx, { actor, node }, deposition, decision),
    async view(id) {
      const found = await viewOf(tx, node, id);
      if (!found) throw new OsaError('internal', `deposition ${id} was stored and is not there`);
      return found;
    },
  };
}

async function read(
  tx: Transaction,
  id: string,
  lock: 'free' | 'locked',
): Promise<StoredDeposition | undefined> {
  if (lock === 'locked') await tx`select from depositions where id = ${id} for no key update`;
  const [found] = await tx<StoredDeposition[]>`
    select d.id, d.convention, d.status, d.revision, d.metadata::text as metadata, d.submission,
           jsonb_build_object('issuer', a.issuer, 'subject', a.subject) as owner,
           coalesce((select approve_own from ingestions where id = d.submission), false) as "approveOwn",
           coalesce((
             select jsonb_agg(jsonb_build_object('name', f.name, 'sha256', f.sha256, 'size', s.size) order by f.name)
             from deposition_files f
             cross join lateral (select size from files where sha256 = f.sha256 offset 0) s
             where f.deposition = d.id), '[]') as files
    from depositions d join actors a on a.id = d.owner where d.id = ${id}`;
  return found;
}

/** A batch is locked before the deposition, as a commit does. Its state is read after both. */
async function lockSubmitted(tx: Transaction, id: string): Promise<StoredDeposition | undefined> {
  const [found] = await tx<{ submission: string | null }[]>`
    select submission from depositions where id = ${id}`;
  if (!found) return undefined;
  const { submission } = found;
  if (submission !== null) {
    await useIndexLookups(tx);
    const what = `the submission of deposition ${id}, which is claimed, written or decided`;
    await waitingForAll(tx, what, async () => {
      await takeTurn(tx, submission);
      return lockOpen(tx, submission);
    });
  }
  const locked = await read(tx, id, 'locked');
  return locked?.submission === submission ? locked : lockSubmitted(tx, id);
}

async function setFiles(tx: Transaction, id: string, files: readonly RecordFile[]): Promise<void> {
  await tx`delete from deposition_files where deposition = ${id}`;
  await tx`
    insert into deposition_files (deposition, name, sha256)
    select ${id}, name, sha256
    from unnest(${arrayText(files.map(({ name }) => name))}::text::text[],
                ${arrayText(files.map(({ sha256 }) => sha256))}::text::text[]) as f (name, sha256)`;
  // The revision is that of the whole deposition.
  await tx`update depositions set metadata = metadata where id = ${id}`;
}

async function endSubmission(tx: Transaction, submission: string, reason: string): Promise<void> {
  await endBatches(tx, await lockOpen(tx, submission), { ended: 'the ingestion was stopped', reason });
  await tx`
    update ingestions set stopped_at = clock_timestamp(), stop_reason = ${reason}, cancelled = true
    where id = ${submission}`;
}

async function review(
  tx: Transaction,
  { actor, node }: { readonly actor: number; readonly node: NodeIdentity },
  { id, submission }: StoredDeposition,
  { approved, reason }: Parameters<DepositionWrites['review']>[1],
): Promise<void> {
  const [held] = await tx<{ batch: string; fence: string }[]>`
    select id as batch, fence from batches where ingestion = ${submission} and status = 'held'`;
  if (!held) throw new OsaError('internal', `deposition ${id} is in review and holds no batch`);
  await tx`
    insert into reviews (batch, deposition, decision, reason, actor)
    values (${held.batch}, ${id}, ${approved ? 'approved' : 'rejected'}, ${reason}, ${actor})`;
  const claim = await readClaim(tx, held);
  const said = cut(`review: ${reason ?? ''}`, bounds.reasonLength);
  const ends: RecordEnd[] = claim.records.map(({ id: record }) =>
    approved
      ? { id: record, status: 'published', reason: null }
      : { id: record, status: 'rejected', reason: said },
  );
  await finishHeld(tx, node, claim, { results: await heldResults(tx, claim), ends });
}
