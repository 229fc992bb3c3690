import { OsaError } from '@osa/core/error';
import type { Credentials } from '@osa/core/storage/s3/sign';
import { type S3Target, s3Target } from '@osa/core/storage/s3/target';
import { readSecret, required } from './named-file.ts';
import type { Settings } from './read-settings.ts';

/** An S3-compatible store, and the copies on this machine of what has been read. */
export interface S3Storage {
  readonly target: S3Target;
  readonly credentials: Credentials;
  readonly cacheBytes: number;
}

/**
 * The store of the settings. Undefined for files in the data directory.
 *
 * @throws OsaError `usage` that names the setting; the message never holds the secret
 */
export function storageOf(settings: Settings): S3Storage | undefined {
  const { storage, s3_access_key_id, storage_cache_gigabytes, nameOf } = settings;
  if (storage === undefined) return undefined;
  const target = s3Target(storage, nameOf(['storage']));
  const accessKeyId = required(s3_access_key_id, 'OSA_S3_ACCESS_KEY_ID', 'the id of the key for OSA_STORAGE');
  return {
    target,
    credentials: { accessKeyId, secretAccessKey: secretOf(settings) },
    cacheBytes: storage_cache_gigabytes * 2 ** 30,
  };
}

function secretOf({
  s3_secret_access_key: secret,
  s3_secret_access_key_file: file,
  nameOf,
}: Settings): string {
  const name = nameOf([file === undefined ? 's3_secret_access_key' : 's3_secret_access_key_file']);
  const refused = (rule: string) => new OsaError('usage', `${name}: ${rule}`, { field: name });
  if (secret !== undefined && file !== undefined)
    throw refused(`${nameOf(['s3_secret_access_key'])} is set as well; set only one of them`);
  const text = file === undefined ? secret : readSecret(file, name).toString('utf8').trim();
  const found = required(
    text,
    'OSA_S3_SECRET_ACCESS_KEY_FILE',
    'a file with the secret of the key for OSA_STORAGE',
  );
  if (!/^[\x21-\x7e]{1,500}$/.test(found)) throw refused('must be one line of visible ASCII characters');
  return found;
}
