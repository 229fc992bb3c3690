import { asOsaError } from '@osa/core/error';
import type { PackedDirectory } from '@osa/core/hook/archive/pack';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { bytes, counted } from '../../terminal/format.ts';

/** A hook's code on its way to the server: the packed directory, and where it comes from. */

/** Uploads a packed directory, unless the server has it already; `scope` is that of the deploy or release it is for. */
export async function uploadCode(
  { output }: Context,
  client: Client,
  code: { readonly hook: string; readonly scope: string; readonly packed: PackedDirectory },
): Promise<void> {
  const { files, size, open } = code.packed;
  if (await isUploaded(client, code.packed, code.scope)) return;
  const params = blobParams(code.packed);
  await client.call('putBlob', { params, scope: code.scope, upload: { open, replayable: true } });
  output.note(`${code.hook}: uploaded ${counted(files, 'file')}, ${bytes(size)}`);
}

/** Whether the server has this code already. */
export async function isUploaded(client: Client, packed: PackedDirectory, scope: string): Promise<boolean> {
  try {
    await client.call('findBlob', { params: blobParams(packed), scope });
    return true;
  } catch (error) {
    if (asOsaError(error)?.code !== 'not_found') throw error;
    return false;
  }
}

function blobParams({ digest }: PackedDirectory): { sha256: string } {
  return { sha256: digest.replace(/^sha256:/, '') };
}

/** The `source_ref` of code in `directory`: from git, else from CI, else `unknown`, which is said. */
export async function findSource(
  { sources, output }: Context,
  { hook, directory }: { readonly hook: string; readonly directory: string },
): Promise<string> {
  const { sourceRef } = await import('./source-ref.ts');
  const found = await sourceRef(directory, sources.environment);
  if (found !== undefined) return found;
  output.note(
    `${hook}: neither git nor CI says where the code comes from; its source_ref is "${unknownSource}"`,
  );
  return unknownSource;
}

const unknownSource = 'unknown';
