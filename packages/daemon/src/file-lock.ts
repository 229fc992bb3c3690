import { open } from 'node:fs/promises';

/**
 * An operating-system lock on a file, held until disposed or until the process ends; undefined if another process holds
 * it. SQLite takes the lock, since Node has no call for it. A file with a pid would outlive a crash, and a pid can be
 * reused and means nothing in another container.
 */
export async function tryLock(path: string): Promise<Disposable | undefined> {
  // Anyone who can read the file could hold the lock.
  await (await open(path, 'a', 0o600)).close();
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('pragma journal_mode = memory; begin exclusive');
  } catch (cause) {
    database.close();
    if (!isBusy(cause)) throw cause;
    return undefined;
  }
  return { [Symbol.dispose]: () => database.close() };
}

/** SQLITE_BUSY. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}
