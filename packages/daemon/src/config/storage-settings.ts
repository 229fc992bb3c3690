import { z } from 'zod';
import { whole } from './shapes.ts';

/** The settings of the store; part of the table in settings.ts. */
export const storageSettings = {
  storage: {
    shape: z.string().min(1).max(2_000).optional(),
    unset: 'files in `data_dir`',
    isSecret: true,
    help:
      'Store for what is kept of uploads: `s3://bucket/prefix?endpoint=https://host` for an S3-compatible one. Further ' +
      'options of the URL: `region` (`us-east-1`) and `style` (`path` or `host`).',
  },
  s3_access_key_id: {
    shape: z
      .string()
      .regex(/^[\x21-\x7e]{1,200}$/, 'must be visible ASCII characters')
      .optional(),
    isSecret: true,
    help: 'Id of the key for that store.',
  },
  s3_secret_access_key: {
    shape: z.string().min(1).optional(),
    isSecret: true,
    help: 'Secret of that key; better, name a file in `s3_secret_access_key_file`.',
  },
  s3_secret_access_key_file: {
    shape: z.string().min(1).optional(),
    help: 'File with that secret; nobody else may have access to it.',
  },
  upload_gigabytes_per_day: {
    shape: whole(1, 1_000_000).default(200),
    help: 'Gibibytes of files of records that one person or machine may send on a day (UTC); then 429. What is stored already is not sent.',
  },
  storage_cache_gigabytes: {
    shape: whole(1, 1_000_000).default(10),
    help: 'Most gibibytes of `data_dir` that copies of what was read from that store take.',
  },
} as const;
