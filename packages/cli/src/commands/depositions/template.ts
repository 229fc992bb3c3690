import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { defineCommand } from '../../command.ts';
import { fullId } from '../full-id.ts';
import { idArgument, scopes } from './lines.ts';

export const depositionsTemplate = defineCommand({
  description:
    'Saves a workbook (.xlsx) of a deposition: the names of the fields, what they take, and in the third row the values. Fill in the ' +
    'third row in any program for spreadsheets; `osa depositions fill` reads it back.',
  arguments: idArgument,
  options: {
    out: {
      value: 'FILE',
      description: 'where to save it (default: deposition-<id>.xlsx); a file that is there is never replaced',
      parse: (given: string) => given,
    },
  },
  examples: [
    [
      'osa depositions template 0198c0de-0000-7000-8000-000000000009 --out 4hhb.xlsx',
      'fill it in, then: osa depositions fill',
    ],
  ],
  json: '{"id", "file", "bytes"}',
  async run({ client, output, sources }, { arguments: given, options }) {
    const archive = client();
    const id = await fullId(archive, 'deposition', given.id);
    const bytes = await buffer(await archive.call('depositionTemplate', { params: { id }, scopes }));
    const file = options.out ?? `deposition-${id}.xlsx`;
    await writeFile(resolve(sources.cwd, file), bytes, { flag: 'wx' }).catch((cause: unknown) => {
      const why =
        systemCode(cause) === 'EEXIST' ? 'it is there already; name another file' : 'it cannot be written';
      throw new OsaError('usage', `--out ${file}: ${why}`, { field: 'out', cause });
    });
    output.result({ id, file, bytes: bytes.length }, [
      `saved ${file}`,
      `next: fill in its third row, then osa depositions fill ${id} ${file}`,
    ]);
    return undefined;
  },
});
