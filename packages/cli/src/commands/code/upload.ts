import { asOsaError } from '@osa/core/error';
import type { PackedDirectory } from '@osa/core/hook/archive/pack';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { bytes, counted } from '../../terminal/format.ts';

/** Uploads a packed directory, unless the server has it already; `scope` is that of the deploy or release it is for. */
export async function uploadCode(
  { output }: Context,
  client: Client,
  code: { readonly hook: string; readonly scope: string; readonly packed: PackedDirectory },
): Promise<void> {
  const { digest, files, size, open } = code.packed;
  const params = { sha256: digest.replace(/^sha256:/, '') };
  try {
    await client.call('findBlob', { params, scope: code.scope });
    return;
  } catch (error) {
    if (asOsaError(error)?.code !== 'not_found') throw error;
  }
  await client.call('putBlob', { params, scope: code.scope, upload: { open, replayable: true } });
  output.note(`${code.hook}: uploaded ${counted(files, 'file')}, ${bytes(size)}`);
}
