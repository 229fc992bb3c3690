import type { DeployRequest } from '../../convention/convention.ts';
import { OsaError } from '../../error.ts';
import type { Declared, DeclaredHook, Naming } from '../../hook/registry.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';

/** Reads the stored state of everything that a deploy names, in one call of the database. */

interface Stored {
  readonly convention: Declared['convention'] | null;
  readonly schema_owner: string | null;
  readonly schema: Declared['schema'] | null;
  readonly hooks: readonly Omit<DeclaredHook, 'created'>[];
  readonly blobs: readonly string[];
  /** Set by a locked look: whether the convention was there before, and the hooks that were not. */
  readonly was_there?: boolean;
  readonly made?: readonly string[];
}

/** Nothing is locked. */
export async function declaredState(tx: Transaction, naming: Naming): Promise<Declared> {
  const { id, version } = naming.schema;
  const [row] = await tx<{ state: Stored }[]>`
    select declared_state(${naming.slug}, ${id}, ${version}, ${namedParts(tx, naming)}) as state`;
  return declared(row?.state, naming);
}

export async function lockDeclared(
  tx: Transaction,
  naming: Naming,
  { title, description, schema, file_requirements, hooks }: DeployRequest,
): Promise<Declared> {
  const request = {
    ...{ title, description, file_requirements, schema: { id: schema.id, version: schema.version } },
    hooks: hooks.map(({ name, feature }) => ({ name, feature })),
  };
  const [row] = await tx<{ state: Stored }[]>`
    select lock_declared(${naming.slug}, ${tx.json(request)}::jsonb, ${namedParts(tx, naming)}) as state`;
  return declared(row?.state, naming);
}

function namedParts(tx: Transaction, { hooks, digests }: Naming) {
  return tx`
    ${arrayText(hooks.map(({ name }) => name))}::text::text[],
    ${arrayText(hooks.map(({ fingerprint }) => fingerprint))}::text::text[],
    ${arrayText(digests.map((digest) => digest.replace('sha256:', '')))}::text::text[]`;
}

function declared(state: Stored | undefined, { slug }: Naming): Declared {
  if (!state) throw new OsaError('internal', `convention ${slug}: its state had no answer`);
  const { convention, schema_owner, schema, hooks, blobs, was_there = true, made = [] } = state;
  return {
    convention: was_there ? (convention ?? undefined) : undefined,
    schemaOwner: schema_owner ?? undefined,
    schema: schema ?? undefined,
    hooks: hooks.map((hook) => ({ ...hook, created: made.includes(hook.name) })),
    blobs: new Set(blobs.map((blob) => `sha256:${blob}`)),
  };
}
