import { open } from 'node:fs/promises';
import { OsaError } from '@osa/core/error';
import { wordsOf } from '../terminal/parse.ts';

export const formats = ['ndjson', 'json', 'csv', 'tsv'] as const;
export type Format = (typeof formats)[number];

/** @throws OsaError `usage` */
export function formatNamed(given: string): Format {
  const [format] = wordsOf(formats)(given);
  return format as Format;
}

/** Whether a file begins as Parquet does. */
export async function isParquetFile(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString('latin1') === 'PAR1';
  } finally {
    await file.close();
  }
}

/**
 * The format of a file: by its first characters, then by its name.
 *
 * @throws OsaError `usage` for a file that is not one of records
 */
export function formatOf(name: string, head: string): Format {
  if (/\.ya?ml$/i.test(name)) {
    throw new OsaError('usage', `${name} is YAML, which is not read as records; name a file of records`, {
      field: 'file',
    });
  }
  const start = head.trimStart();
  if (start.startsWith('[')) return 'json';
  if (start.startsWith('{')) return isOneLine(start) ? 'ndjson' : 'json';
  const [, ending] = /\.(tsv|tab|csv|txt|ndjson|jsonl|json)(?:\.(?:gz|zst|zstd))?$/i.exec(name) ?? [];
  if (ending === undefined) return start === '' ? 'ndjson' : 'csv';
  if (/json/i.test(ending)) return 'ndjson';
  return /^t(sv|ab)$/i.test(ending) ? 'tsv' : 'csv';
}

/** Whether the first object ends on its first line, or it is too long to see that. */
function isOneLine(start: string): boolean {
  const end = start.indexOf('\n');
  return end === -1 || start.slice(0, end).trimEnd().endsWith('}');
}
