import { asOsaError } from '@osa/core/error';
import type { PackedDirectory } from '@osa/core/hook/archive/pack';
import type { Context } from '../command.ts';
import type { Client } from '../http/client.ts';
import { bytes, counted } from '../terminal/format.ts';

/** Paths that are left out; --list-files shows all of them. */
const mostShown = 5;

/** Uploads a packed directory, unless the server has it already; `scope` is that of the deploy or release it is for. */
export async function uploadCode(
  { output }: Context,
  client: Client,
  code: { readonly hook: string; readonly scope: string; readonly packed: PackedDirectory },
): Promise<void> {
  const { files, size, leftOut, open } = code.packed;
  if (await isUploaded(client, code.packed, code.scope)) return;
  const params = blobParams(code.packed);
  await client.call('putBlob', { params, scope: code.scope, upload: { open, replayable: true } });
  const out = leftOut.filter(({ why }) => why !== 'never packed').map(({ path }) => path);
  const shown = out.length > mostShown ? [...out.slice(0, mostShown), '…'] : out;
  const without = out.length === 0 ? '' : `; left out: ${shown.join(', ')}`;
  output.note(`${code.hook}: uploaded ${counted(files, 'file')}, ${bytes(size)}${without}`);
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
