import { open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { defineCommand } from '../../command.ts';
import { line, red, yellow } from '../../terminal/paint.ts';
import { fullId } from '../full-id.ts';
import { idArgument, ifMatch } from './lines.ts';

export const depositionsFill = defineCommand({
  description:
    'Replaces the metadata of a draft by those of a workbook (.xlsx) that was filled in. If a value does not fit, nothing is changed, ' +
    'and the exit code is 1. Formulas are not run: the value that was last computed is taken, with a warning.',
  arguments: { ...idArgument, file: { description: 'the workbook, as osa depositions template makes it' } },
  examples: [['osa depositions fill 0198c0de-0000-7000-8000-000000000009 4hhb.xlsx', 'take what it says']],
  json: '{"parse_result": {"metadata", "warnings": ["…"], "errors": [{"field", "message"}]}}',
  async run({ client, output, sources }, { arguments: { id: given, file } }) {
    const form = formOf(basename(file), await readWorkbook(resolve(sources.cwd, file), file));
    const archive = client();
    const id = await fullId(archive, 'deposition', given);
    const draft = await archive.call('showDeposition', { params: { id } });
    const answer = await archive.call('fillDeposition', {
      params: { id },
      upload: form.body,
      contentType: form.type,
      ifMatch: ifMatch(draft),
      resource: draft.convention_id,
    });
    const { warnings, errors } = answer.parse_result;
    output.result(answer, [
      ...warnings.map((warning) => line`${yellow('!')} ${warning}`),
      ...errors.map(({ message }) => line`${red('✗')} ${message}`),
      errors.length > 0 ? 'nothing was changed' : `deposition ${id}: its metadata are those of ${file}`,
    ]);
    return errors.length > 0 ? 1 : 0;
  },
});

/** @throws OsaError `usage` */
async function readWorkbook(path: string, shown: string): Promise<Buffer> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size <= bounds.sheetBytes) return await file.readFile();
  } catch (cause) {
    throw new OsaError('usage', `${shown} cannot be read`, { field: 'file', cause });
  }
  throw new OsaError('usage', `${shown} is larger than the ${bounds.sheetBytes} bytes of a workbook`, {
    field: 'file',
  });
}

/** A form of one file (RFC 7578). */
function formOf(name: string, bytes: Buffer) {
  const boundary = `osa-${crypto.randomUUID()}`;
  const shown = name.replaceAll(/[\r\n"]/g, (character) => encodeURIComponent(character));
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${shown}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  const whole = Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    body: { open: () => Readable.from([whole]), replayable: true },
  };
}
