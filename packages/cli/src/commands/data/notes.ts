import { readFile, rename, rm, writeFile } from 'node:fs/promises';

/** Notes of how far a command is, kept in a file beside its output, so that the same command goes on. */

interface Notes {
  /** All that decides the output. */
  readonly identity: string;
}

/** Undefined where there are none that can be read, and for those of another command. */
export async function readNotes<N extends Notes>(path: string, identity: string): Promise<N | undefined> {
  const notes = await anyNotes<N>(path);
  return notes?.identity === identity ? notes : undefined;
}

/** Undefined where there are none that can be read. */
export async function anyNotes<N extends Notes>(path: string): Promise<N | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    const notes = JSON.parse(text) as Partial<N> | null;
    return typeof notes?.identity === 'string' ? (notes as N) : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces them at once: a full disk, or the end of the command, leaves the ones from before. */
export async function writeNotes<N extends Notes>(path: string, notes: N): Promise<void> {
  await writeFile(next(path), JSON.stringify(notes));
  await rename(next(path), path);
}

export async function removeNotes(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(next(path), { force: true });
}

const next = (path: string) => `${path}.next`;
