import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesystemFiles } from '@osa/core/storage/resumable-files';
import { fileStoreContract } from '../contract/file-store.ts';
import { scratch } from '../support/database/database.ts';

fileStoreContract('the file system', async () => {
  const place = await scratch();
  const pathOf = (sha256: string) => join(place.path, sha256.slice(0, 2), sha256.slice(2));
  return {
    store: filesystemFiles(place.path),
    async damage(sha256) {
      const bytes = await readFile(pathOf(sha256));
      bytes.writeUInt8(bytes.readUInt8(1_000) ^ 1, 1_000);
      await chmod(pathOf(sha256), 0o644);
      await writeFile(pathOf(sha256), bytes);
    },
    lose: (sha256) => rm(pathOf(sha256)),
    async kept() {
      const entries = await readdir(place.path, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).length;
    },
    close: () => place.dispose(),
  };
});
