import { resolve } from 'node:path';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { parseRecordSrn } from '@osa/core/record/srn';
import type { Context } from '../../command.ts';
import { readTextFile } from '../text-file.ts';

/** The names of records in a file, one a line. @throws OsaError `usage` */
export async function readSrns({ sources }: Context, file: string): Promise<string[]> {
  const content = await readTextFile(resolve(sources.cwd, file), { shown: file, field: 'records' });
  const lines = content.split('\n').map((part) => part.trim());
  const strange = lines.findIndex((part) => part !== '' && parseRecordSrn(part) === undefined);
  if (strange >= 0) {
    const given = JSON.stringify(lines[strange]?.slice(0, 100));
    throw new OsaError(
      'usage',
      `${file}:${strange + 1}: ${given} is not the SRN of a record, such as urn:osa:localhost:rec:abc@1`,
      { field: 'records' },
    );
  }
  const srns = lines.filter((part) => part !== '');
  if (srns.length === 0)
    throw new OsaError('usage', `${file} names no record; write one SRN a line`, { field: 'records' });
  if (srns.length > bounds.recomputeRecords) {
    throw new OsaError(
      'usage',
      `${file} names ${srns.length} records, at most ${bounds.recomputeRecords} are taken; divide it`,
      { field: 'records' },
    );
  }
  return srns;
}
