import { OsaError } from '@osa/core/error';
import { parseRecordSrn } from '@osa/core/record/srn';
import { defineCommand } from '../../command.ts';
import { recordTraceLines, rowTraceLines } from './lines.ts';

export const trace = defineCommand({
  description:
    'Shows where a row came from: its values, its record, the run that computed it and the release that ran. ' +
    'A release has its digest, command, config and source, and whether it is still live. With the SRN of a ' +
    'record, it lists all rows of the record with their releases.\n\n' +
    "The config may hold secrets. It is shown if your key's tokens may carry runs:read; without it you " +
    'see its digest.',
  arguments: { what: { description: "a row, as <hook>/<id>, or a record's SRN" } },
  examples: [
    ['osa trace seismic_energy/17', 'where one row came from'],
    ['osa trace urn:osa:localhost:rec:0fb7d9c2-6a51-4c1e-9d0b-3f5a2e8c7b14@1', 'all rows of one record'],
    ['osa trace seismic_energy/17 --json', 'the same for a program'],
  ],
  json: 'a row: {"row", "record", "run", "release", "hook"}; a record: {"record", "row_count", "rows": [{"name", "release", "digest", "values", …}]}',
  async run({ client, output }, { arguments: { what } }) {
    const target = parseTarget(what);
    if ('srn' in target) {
      const answer = await client().call('traceRecord', { params: target });
      output.result(answer, recordTraceLines(answer));
    } else {
      const answer = await client().call('traceRow', { params: target, scopes: ['runs:read'] });
      output.result(answer, rowTraceLines(answer));
    }
    return undefined;
  },
});

/** @throws OsaError `usage` */
function parseTarget(what: string): { srn: string } | { hook: string; id: number } {
  if (/^urn:/i.test(what) && parseRecordSrn(what)) return { srn: what.trim().toLowerCase() };
  const [, hook, id] = /^([^/]+)\/([1-9]\d{0,15})$/.exec(what) ?? [];
  if (hook !== undefined && Number.isSafeInteger(Number(id))) return { hook, id: Number(id) };
  throw new OsaError(
    'usage',
    `"${what}" is neither a row, such as seismic_energy/17, nor a record, such as urn:osa:localhost:rec:abc@1`,
    { field: 'what' },
  );
}
