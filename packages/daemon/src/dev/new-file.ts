import { randomUUID } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { systemCode } from '@osa/core/system/error';

/** Writes a file unless it exists, or over it with `replace`, so that it is there whole or not at all. */
export async function writeNew(
  path: string,
  content: string,
  mode: number,
  { replace = false }: { readonly replace?: boolean } = {},
): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(content);
    await file.sync();
    await (replace ? rename(temporary, path) : link(temporary, path));
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
}
