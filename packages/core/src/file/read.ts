import type { Readable } from 'node:stream';
import type { Answer } from '../api/index.ts';
import { asOsaError, OsaError } from '../error.ts';
import { parseRecordSrn } from '../record/srn.ts';
import type { FileStore } from '../storage/index.ts';
import type { Store } from '../store.ts';
import type { PublishedFile, PublishedName } from './files.ts';

/** @throws OsaError `not_found` */
export async function listRecordFiles(store: Store, id: string): Promise<Answer<'listRecordFiles'>> {
  return { items: [...(await filesOf(store, id))] };
}

/** @throws OsaError `not_found` (the record, or a file of this name) */
export async function findRecordFile(
  store: Store,
  { id, name }: { readonly id: string; readonly name: string },
): Promise<PublishedFile> {
  const files = await filesOf(store, id);
  const file = files.find((one) => one.name === name);
  if (file) return file;
  const names = files.slice(0, 10).map((one) => JSON.stringify(one.name));
  const there = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
  throw new OsaError('not_found', `record ${id} has no file ${JSON.stringify(name)}; ${there}`, {
    field: 'name',
  });
}

/**
 * Opens a file, or a part of it.
 *
 * @throws OsaError `damaged` when its bytes are gone, or no longer those that came; `unavailable`
 */
export async function openRecordFile(
  files: FileStore,
  { sha256 }: Pick<PublishedFile, 'sha256'>,
  range: { readonly start: number; readonly end: number } | undefined,
): Promise<Readable> {
  try {
    return await files.open(sha256, range);
  } catch (cause) {
    // The message of the store names a place on our disk.
    const { sha256: lost, found, isBroken } = asOsaError(cause)?.details ?? {};
    if (lost !== sha256 && isBroken !== true) throw cause;
    const how = found === undefined && isBroken !== true ? 'missing' : 'damaged';
    throw new OsaError('damaged', `the stored bytes of sha256:${sha256} are ${how}`, {
      details: { sha256 },
      cause,
    });
  }
}

async function filesOf(store: Store, id: string): Promise<readonly PublishedFile[]> {
  const named = publishedName(id);
  const files = named && (await store.files.ofRecord(named));
  if (files) return files;
  throw new OsaError('not_found', `no published record has the id ${JSON.stringify(id)}`, { field: 'id' });
}

function publishedName(text: string): PublishedName | undefined {
  const srn = parseRecordSrn(text);
  const [, id, version] =
    /^([0-9a-f-]{36})(?:@([1-9]\d{0,8}))?$/.exec(srn ? `${srn.id}@${srn.version}` : text) ?? [];
  if (id === undefined || !isUuid(id)) return undefined;
  return { id, version: version === undefined ? undefined : Number(version) };
}

const isUuid = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
