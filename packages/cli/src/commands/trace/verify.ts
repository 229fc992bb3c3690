import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { asOsaError, OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import { type Verified, verifyReceipt } from '@osa/core/trace/export/verify';
import { type Context, defineCommand } from '../../command.ts';
import { time, version } from '../../terminal/format.ts';
import { bold, green, type Line, line } from '../../terminal/paint.ts';
import { text } from '../../terminal/parse.ts';
import { pairs } from '../../terminal/table.ts';
import { readTextStream } from '../text-file.ts';
import { recalledLines } from './lines.ts';

export const verify = defineCommand({
  description:
    'Checks a receipt: the signature of the archive, the digest of the values, and that row, run, release and ' +
    'source belong together. With --key no server is asked. Without it the keys come from the server, so you ' +
    'trust what it says now.\n\n' +
    'Get a receipt with osa trace <row> --format in-toto, and the keys from /.well-known/osa-keys.json.',
  arguments: { receipt: { description: 'the file of a receipt; - reads it from stdin' } },
  options: {
    key: {
      value: 'FILE',
      description: 'the public keys of the archive: a saved osa-keys.json, or one key as PEM or JWK',
      parse: text(4_096),
    },
  },
  examples: [
    ['osa trace seismic_energy/17 --format in-toto > receipt.json', 'get a receipt'],
    ['osa verify receipt.json --key osa-keys.json', 'check it without a server'],
  ],
  json: '{"verified": true, "key_id", "statement"}',
  async run(context, { arguments: { receipt }, options: { key } }) {
    const file =
      receipt === '-'
        ? await readTextStream(addAbortSignal(context.signal, context.stdin), {
            shown: 'standard input',
            field: 'receipt',
            mostBytes,
          })
        : await readText(context, receipt, 'receipt');
    const keys = key === undefined ? await keysOfServer(context) : await readText(context, key, 'key');
    const verified = await verifyReceipt(file, keys);
    const document = { verified: true, key_id: verified.keyId, statement: verified.receipt };
    context.output.result(document, verifiedLines(verified));
    return undefined;
  },
});

async function keysOfServer(context: Context): Promise<string> {
  return JSON.stringify(await context.client().call('attestationKeys', {}));
}

/** Longer than any receipt, whose row and record have 1 MiB each at most. */
const mostBytes = 16 * 1024 * 1024;

async function readText({ sources, signal }: Context, path: string, field: string): Promise<string> {
  try {
    const stream = createReadStream(resolve(sources.cwd, path), { signal });
    return await readTextStream(stream, { shown: path, field, mostBytes });
  } catch (cause) {
    if (asOsaError(cause)) throw cause;
    throw new OsaError('usage', `${field}: cannot read ${path} (${systemCode(cause) ?? 'unknown error'})`, {
      field,
      cause,
    });
  }
}

function verifiedLines({ receipt: { predicate }, keyId }: Verified): Line[] {
  const { row, run, release, issued_at, recalled = [] } = predicate;
  return [
    line`${green('the receipt holds')}: ${bold(row.name)}`,
    ...recalledLines(recalled),
    ...pairs([
      ['record', row.record],
      ['run', run.id],
      ['release', `${release.hook} ${version(release.version)}, ${release.digest}`],
      ['source', release.source_ref],
      ['built by', release.built_by],
      ['issued', time(issued_at)],
      ['key', keyId],
    ]),
  ];
}
