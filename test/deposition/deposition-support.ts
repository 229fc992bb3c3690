import type { Answer } from '@osa/core/api';
import type { Principal } from '@osa/core/auth/principal';
import type { DeployRequest } from '@osa/core/convention/convention';
import { createDeposition, editMetadata } from '@osa/core/deposition/edit';
import { approveDeposition, rejectDeposition } from '@osa/core/deposition/review';
import { submitDeposition, withdrawDeposition } from '@osa/core/deposition/submit';
import { type CoreArchive, convention, coreArchive, hookCode } from '../support/core-archive.ts';

type Deposition = Answer<'showDeposition'>;

export function actor(subject: string, ...scopes: string[]): Principal {
  return { issuer: 'people', subject, scopes: new Set(scopes) };
}

export const ada = actor('ada', 'depositions:write');
export const ben = actor('ben', 'depositions:write');
export const curator = actor('curator', 'depositions:write', 'depositions:review');
export const second = actor('second', 'depositions:review');

/** The acts of a person on depositions, by function calls. */
export function acts({ store }: CoreArchive, principal: Principal) {
  const writer = { principal };
  const edit = (id: string, revision?: number) => ({ id, revision });
  return {
    create: (metadata: Record<string, unknown>, files: unknown[] = []) =>
      createDeposition(store, writer, { convention_id: convention, metadata, files }),
    edit: (id: string, metadata: Record<string, unknown>, revision?: number) =>
      editMetadata(store, writer, { ...edit(id, revision), metadata }),
    submit: (id: string, revision?: number) => submitDeposition(store, writer, edit(id, revision)),
    withdraw: (id: string, revision?: number) => withdrawDeposition(store, writer, edit(id, revision)),
    approve: (id: string, revision?: number) =>
      approveDeposition(store, writer, { ...edit(id, revision), reason: null }),
    reject: (id: string, reason: string) => rejectDeposition(store, writer, { ...edit(id), reason }),
  };
}

/** Rejects values below 0, and crashes over 666. */
export const checking = hookCode(`
  if (metadata.value === 666) process.exit(3);
  return metadata.value < 0 ? { reason: 'value: is below 0' } : { features: [{ value: metadata.value * 2 }] };`);

export const doubling = hookCode('return { features: [{ value: metadata.value * 2 }] };');

export async function archiveWith(
  curation: DeployRequest['curation'],
  approveOwn = false,
): Promise<CoreArchive> {
  const archive = await coreArchive();
  await archive.deploy(
    { checks: { code: checking }, doubles: { code: doubling } },
    { curation, approve_own: approveOwn },
  );
  return archive;
}

/** Creates and submits a deposition of one value, and runs it. */
export async function submitted(archive: CoreArchive, who: Principal, value: number): Promise<Deposition> {
  const { id } = await acts(archive, who).create({ value });
  await acts(archive, who).submit(id);
  await archive.drain();
  return shown(archive, id);
}

export async function shown({ store }: CoreArchive, id: string): Promise<Deposition> {
  const found = await store.depositions.show(id);
  if (!found) throw new Error(`deposition ${id} is gone`);
  return found;
}
