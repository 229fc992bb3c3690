import type { Answer, ParsedParams } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { unknownConvention } from '../convention/convention.ts';
import { asOsaError } from '../error.ts';
import type { Store, Writer } from '../store.ts';
import { requireOwner, requireRevision } from './access.ts';
import { type Edit, editMetadata, requireDraft } from './edit.ts';
import { showDeposition } from './read.ts';
import { describe, writtenValue } from './sheet-cells.ts';
import { filledFields } from './sheet-fields.ts';
import { readSheet, type Sheet } from './spreadsheet/read.ts';
import { writeSheet } from './spreadsheet/write.ts';

type Parsed = Answer<'fillDeposition'>['parse_result'];

/** Rows of the template: the names of the fields, what they mean, and the values. */
const rowCount = 3;

/** A workbook to fill in, with what the deposition says already. @throws OsaError `not_found` */
export async function depositionTemplate(
  store: Store,
  principal: Principal,
  { id }: ParsedParams<'depositionTemplate'>,
): Promise<Buffer> {
  const { convention_id, metadata } = await showDeposition(store, principal, id);
  const fields = await fieldsOf(store, convention_id);
  const text = (given: string) => ({ kind: 'text', text: given }) as const;
  return writeSheet(
    [
      fields.map(({ name }) => text(name)),
      fields.map((field) => text(describe(field))),
      fields.map((field) => writtenValue(field, metadata[field.name])),
    ],
    fields.map(({ type, cardinality }) => ({ isNumber: type === 'number' && cardinality === 'exactly_one' })),
  );
}

/**
 * Replaces the metadata of a draft by what a filled template says; where it says something that does not fit, nothing
 * is changed and the answer lists it.
 *
 * @throws OsaError `not_found`, `access_denied`, `conflict` (not a draft), `precondition_failed`, `invalid` (not a workbook), `too_large`
 */
export async function fillDeposition(
  store: Store,
  writer: Writer,
  edit: Edit & { readonly sheet: Buffer },
): Promise<Parsed> {
  const { id, convention_id, metadata: before } = await requireFillable(store, writer.principal, edit);
  const fields = await fieldsOf(store, convention_id);
  const sheet: Sheet = await readSheet(edit.sheet, rowCount);
  const { metadata, warnings, errors } = filledFields(sheet, fields);
  if (errors.length > 0) return { metadata: before, warnings, errors };
  try {
    const edited = await editMetadata(store, writer, { id, revision: edit.revision, metadata });
    return { metadata: edited.metadata, warnings, errors };
  } catch (error) {
    const problems = asOsaError(error)?.details.problems;
    if (!Array.isArray(problems)) throw error;
    return { metadata: before, warnings, errors: problems.map((problem) => errorOf(String(problem))) };
  }
}

/** The draft, before its bytes are read. @throws OsaError as `fillDeposition` */
export async function requireFillable(
  { depositions }: Store,
  principal: Principal,
  { id, revision }: Edit,
): Promise<Answer<'showDeposition'>> {
  const found = await depositions.show(id);
  const draft = requireOwner(found && { ...found, convention: found.convention_id }, principal, id);
  requireDraft(draft);
  requireRevision(draft, revision);
  return draft;
}

function errorOf(problem: string): Parsed['errors'][number] {
  const [, field] = /^([a-z][a-z0-9_]*)(?:\[\d+\])?:?\s/.exec(problem) ?? [];
  return { field: field ?? null, message: problem };
}

async function fieldsOf({ registry }: Store, slug: string) {
  const convention = await registry.convention(slug);
  if (!convention) throw unknownConvention(slug);
  return convention.fields;
}
