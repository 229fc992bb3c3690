import { v7 as uuid7 } from 'uuid';
import type { Answer, ParsedBody } from '../api/index.ts';
import { requireScope } from '../auth/scope.ts';
import { unknownConvention } from '../convention/convention.ts';
import { OsaError } from '../error.ts';
import { inOrder, type RecordFile } from '../file/file.ts';
import { problemOfFiles, problemOfStored, readFiles } from '../file/rules.ts';
import type { Pinned } from '../ingestion/ingestions.ts';
import { canonicalJson } from '../json/canonical.ts';
import { bounds } from '../limits.ts';
import { metadataChecker } from '../record/check.ts';
import type { Store, Writer, WriteTransaction } from '../store.ts';
import { requireOwner, requireRevision, untold } from './access.ts';
import { type StoredDeposition, sourceOfDeposition, unknownFile } from './depositions.ts';

type Deposition = Answer<'showDeposition'>;

/** A change of a draft that somebody has seen at `revision`. */
export interface Edit {
  readonly id: string;
  readonly revision: number | undefined;
}

/**
 * Begins a draft. It may lack fields and files; what it has must fit the convention.
 *
 * @throws OsaError `not_found` (the convention), `invalid`, `too_large`, `access_denied`, `conflict` (too many drafts)
 */
export async function createDeposition(
  store: Store,
  writer: Writer,
  { convention_id: convention, metadata, files }: ParsedBody<'createDeposition'>,
): Promise<Deposition> {
  requireScope(writer.principal, 'depositions:write', convention);
  return store.write(untold(writer), async (transaction) => {
    const { depositions, ingestions } = transaction;
    const pinned = await ingestions.pin(convention);
    if (!pinned) throw unknownConvention(convention, 'convention_id');
    await depositions.takeTurn();
    if ((await depositions.countDrafts(bounds.drafts)) >= bounds.drafts) {
      const next = 'submit or delete one of them (osa depositions delete)';
      throw new OsaError(
        'conflict',
        `you have ${bounds.drafts} drafts, the most that one person may; ${next}`,
      );
    }
    const id = uuid7();
    await depositions.create({ id, convention, metadata: draftMetadata(metadata, pinned) });
    const named = await draftFiles(transaction, { files, pinned, id });
    if (named.length > 0) await depositions.setFiles(id, named);
    return depositions.view(id);
  });
}

/**
 * @throws OsaError `not_found`, `invalid`, `too_large`, `access_denied`, `precondition_failed`, `conflict` (it is not a
 * draft)
 */
export async function editMetadata(
  store: Store,
  writer: Writer,
  edit: Edit & { readonly metadata: Readonly<Record<string, unknown>> },
): Promise<Deposition> {
  return editDraft(store, writer, edit, async ({ depositions }, { id }, pinned) => {
    await depositions.setMetadata(id, draftMetadata(edit.metadata, pinned));
  });
}

/** @throws OsaError as `editMetadata` */
export async function editFiles(
  store: Store,
  writer: Writer,
  edit: Edit & { readonly files: readonly unknown[] },
): Promise<Deposition> {
  return editDraft(store, writer, edit, async (transaction, { id }, pinned) => {
    await transaction.depositions.setFiles(
      id,
      await draftFiles(transaction, { files: edit.files, pinned, id }),
    );
  });
}

/** @throws OsaError as `editMetadata`, and `not_found` for a file that the draft does not have */
export async function removeFile(
  store: Store,
  writer: Writer,
  edit: Edit & { readonly name: string },
): Promise<Deposition> {
  return editDraft(store, writer, edit, async ({ depositions }, { id, files }) => {
    const kept = files.filter(({ name }) => name !== edit.name);
    if (kept.length === files.length) throw unknownFile(id, edit.name);
    await depositions.setFiles(id, kept);
  });
}

/** Names a stored file in the draft, in the place of the one of its name. @throws OsaError as `editMetadata` */
export async function putFile(
  store: Store,
  writer: Writer,
  edit: Edit & { readonly file: RecordFile },
): Promise<Deposition> {
  return editDraft(store, writer, edit, async (transaction, { id, files: before }, pinned) => {
    const files = [...before.filter(({ name }) => name !== edit.file.name), edit.file];
    await transaction.depositions.setFiles(id, await draftFiles(transaction, { files, pinned, id }));
  });
}

async function editDraft(
  store: Store,
  writer: Writer,
  { id, revision }: Edit,
  work: (transaction: WriteTransaction, draft: StoredDeposition, pinned: Pinned) => Promise<void>,
): Promise<Deposition> {
  return store.write(untold(writer), async (transaction) => {
    const { depositions, ingestions } = transaction;
    requireOwner(await depositions.find(id), writer.principal, id);
    const draft = requireOwner(await depositions.lockDraft(id), writer.principal, id);
    requireDraft(draft);
    requireRevision(draft, revision);
    const pinned = await ingestions.pin(draft.convention);
    if (!pinned) throw unknownConvention(draft.convention);
    await work(transaction, draft, pinned);
    return depositions.view(id);
  });
}

/** @throws OsaError `conflict` */
export function requireDraft({ id, status }: Pick<StoredDeposition, 'id' | 'status'>): void {
  if (status === 'draft') return;
  const next = nextOf(id, status);
  throw new OsaError(
    'conflict',
    `deposition ${id} is ${status.replace('_', ' ')}, and only a draft is edited or deleted; ${next}`,
    {
      details: { status },
    },
  );
}

function nextOf(id: string, status: StoredDeposition['status']): string {
  if (status === 'deleted') return 'begin another deposition';
  if (status === 'accepted') return 'what is published does not change; begin another deposition';
  return `osa depositions withdraw ${id} makes it a draft again`;
}

/** The metadata as they are stored. A draft may lack fields; those that it has are of the schema, and fit. */
function draftMetadata(metadata: Readonly<Record<string, unknown>>, { fields, openText }: Pinned): string {
  const partial = fields.map((field) => ({ ...field, required: false }));
  const problems = metadataChecker(partial, { openText })(metadata);
  if (problems.length > 0) {
    throw new OsaError('invalid', `metadata: ${problems.join('; ')}`, {
      field: 'metadata',
      details: { problems },
    });
  }
  const text = canonicalJson(metadata);
  if (Buffer.byteLength(text) <= bounds.lineBytes) return text;
  throw new OsaError(
    'too_large',
    `metadata: larger than ${bounds.lineBytes} bytes; send long content as a file`,
    {
      field: 'metadata',
      details: { limit: bounds.lineBytes },
    },
  );
}

/** Files that the depositor may use and that fit the convention; only their least number is asked for later. */
async function draftFiles(
  { depositions }: WriteTransaction,
  { files, pinned, id }: { readonly files: readonly unknown[]; readonly pinned: Pinned; readonly id: string },
): Promise<readonly RecordFile[]> {
  const named = readFiles(files);
  if (named.problem !== undefined) throw new OsaError('invalid', named.problem, { field: 'files' });
  const sorted = inOrder(named.files);
  const problem =
    problemOfFiles(sourceOfDeposition(id), sorted, { ...pinned.files, min_count: 0 }) ??
    problemOfStored(sorted, await depositions.knownFiles(sorted.map(({ sha256 }) => sha256)));
  if (problem === undefined) return sorted;
  throw new OsaError('invalid', problem, { field: 'files' });
}
