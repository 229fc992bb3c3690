import type { Answer } from '../api/index.ts';
import { unknownConvention } from '../convention/convention.ts';
import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { problemOfStored } from '../file/rules.ts';
import type { IncomingRecord, Pinned } from '../ingestion/ingestions.ts';
import { recordReader } from '../ingestion/record-line.ts';
import { parseExactJson } from '../json/exact.ts';
import { bounds } from '../limits.ts';
import type { Store, Writer, WriteTransaction } from '../store.ts';
import { requireOwner, requireRevision, untold } from './access.ts';
import { type StoredDeposition, sourceOfDeposition } from './depositions.ts';
import { type Edit, requireDraft } from './edit.ts';

type Deposition = Answer<'showDeposition'>;

/**
 * Submits a draft: it becomes an ingestion of one record, whose batch is claimed like all others. A draft that breaks
 * the schema or the rules for files is refused here, and stays a draft.
 *
 * @throws OsaError `not_found`, `access_denied`, `conflict` (it is not a draft; too many are in validation),
 * `rate_limited`, `precondition_failed`, `invalid` (metadata, files)
 */
export async function submitDeposition(
  store: Store,
  writer: Writer,
  { id, revision }: Edit,
): Promise<Deposition> {
  const answer = await store.write(untold(writer), async (transaction) => {
    const { depositions, ingestions } = transaction;
    requireOwner(await depositions.find(id), writer.principal, id);
    await requireRoom(depositions);
    const draft = requireOwner(await depositions.lockDraft(id), writer.principal, id);
    requireDraft(draft);
    requireRevision(draft, revision);
    const pinned = await ingestions.pin(draft.convention);
    if (!pinned) throw unknownConvention(draft.convention);
    const record = await recordOf(transaction, draft, pinned);
    const request = { pinned, batchSize: 1, contentSha256: record.contentDigest, deposition: id };
    const opened = await ingestions.open(request);
    await failpoint('deposition.after-open');
    await ingestions.addBatch({ id: opened.id, pinned }, 0, [record]);
    await ingestions.seal(opened.id, draft.convention);
    await failpoint('deposition.submitted');
    return depositions.view(id);
  });
  await failpoint('deposition.after-submit');
  return answer;
}

/** The queue is everybody's: one depositor cannot fill it. @throws OsaError `conflict`, `rate_limited` */
async function requireRoom(depositions: WriteTransaction['depositions']): Promise<void> {
  await depositions.takeTurn();
  const { openSubmissions, submissionsPerDay } = bounds;
  if ((await depositions.countOpen(openSubmissions)) >= openSubmissions) {
    throw new OsaError(
      'conflict',
      `you have ${openSubmissions} depositions in validation, the most that one person may; submit this one when one of them has ended, or withdraw one`,
      { details: { limit: openSubmissions } },
    );
  }
  const seconds = await depositions.waitSeconds(submissionsPerDay);
  if (seconds === 0) return;
  throw new OsaError(
    'rate_limited',
    `you have submitted ${submissionsPerDay} times within a day, the most that one person may; it stays a draft, so submit it later`,
    { details: { limit: submissionsPerDay, retry_after_seconds: seconds } },
  );
}

/**
 * Takes a submission back, whether its hooks run or it is in review. Their answers are dropped.
 *
 * @throws OsaError `not_found`, `access_denied`, `conflict` (nothing is submitted), `precondition_failed`, `busy`
 */
export async function withdrawDeposition(
  store: Store,
  writer: Writer,
  { id, revision }: Edit,
): Promise<Deposition> {
  return store.write(untold(writer), async ({ depositions }) => {
    requireOwner(await depositions.find(id), writer.principal, id);
    const found = requireOwner(await depositions.lockSubmitted(id), writer.principal, id);
    const { status, submission } = found;
    if (submission === null || (status !== 'in_validation' && status !== 'in_review')) {
      const why =
        status === 'accepted' ? 'it is published' : status === 'deleted' ? 'it is deleted' : 'it is a draft';
      throw new OsaError('conflict', `deposition ${id}: there is nothing to withdraw, since ${why}`, {
        details: { status },
      });
    }
    requireRevision(found, revision);
    await depositions.withdraw(submission);
    return depositions.view(id);
  });
}

/** The draft as a line of an upload would bring it in, so that both are checked and digested alike. */
async function recordOf(
  { depositions }: WriteTransaction,
  { id, metadata, files }: StoredDeposition,
  pinned: Pinned,
): Promise<IncomingRecord> {
  const named = JSON.stringify(files.map(({ name, sha256, size }) => ({ name, sha256, size })));
  const source = JSON.stringify(sourceOfDeposition(id));
  const line = `{"source_id":${source},"metadata":${metadata},"files":${named}}`;
  const record = recordReader(pinned, { reserved: 'allowed' })({
    line: 1,
    bytes: Buffer.from(line),
    long: undefined,
  });
  const stored = await depositions.knownFiles(files.map(({ sha256 }) => sha256));
  const problem = record.problem ?? problemOfStored(files, stored);
  if (problem === undefined || problem === null) return record;
  const [, field] = /^([a-z][a-z0-9_]*)[:[ ]/.exec(problem) ?? [];
  const isField = field !== undefined && pinned.fields.some(({ name }) => name === field);
  throw new OsaError('invalid', `${problem}; edit the draft, then submit it again`, {
    field: isField ? `metadata.${field}` : /^files?\b/.test(problem) ? 'files' : 'metadata',
    details: { given: Object.keys(parseExactJson(metadata) as object) },
  });
}
