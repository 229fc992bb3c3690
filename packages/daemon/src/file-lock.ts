import { open } from 'node:fs/promises';

/**
 * A lock of the operating system on a file, until disposed or until the process ends, however it ends; undefined
 * while another process has it. It is taken through SQLite, since Node has no call for it. A file with a pid in it
 * would outlive a crash, and pids come back and mean nothing in another container.
 */
export async function tryLock(path: string): Promise<Disposable | undefined> {
  // Whoever can read the file could hold the lock.
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
