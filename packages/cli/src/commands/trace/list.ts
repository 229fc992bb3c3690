import { addAbortSignal } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { type Kind, traceNamed } from './target.ts';

/** Names that are traced at a time. */
const atATime = 4;
const longestName = 1_200;
const longestLine = 1024 * 1024;

/**
 * Traces each line of a list, and writes one JSON document a line, in the order of the list.
 *
 * @returns the exit code: 1 if a name could not be traced
 */
export async function traceList(
  client: Client,
  { output, stdin, signal }: Pick<Context, 'output' | 'stdin' | 'signal'>,
  as: Kind | undefined,
): Promise<number | undefined> {
  let failed = 0;
  const waiting: Promise<object>[] = [];
  const writeFirst = async () => {
    const document = await waiting.shift();
    if (document === undefined) return;
    if ('error' in document) failed += 1;
    output.document(JSON.stringify(document));
  };
  for await (const given of lines(addAbortSignal(signal, stdin))) {
    const what = given.trim();
    if (what === '') continue;
    const tracing = traced(client, what, as);
    // It is awaited in its turn; until then its failure is not an unhandled one.
    tracing.catch(() => undefined);
    waiting.push(tracing);
    if (waiting.length === atATime) await writeFirst();
  }
  signal.throwIfAborted();
  while (waiting.length > 0) await writeFirst();
  return failed > 0 ? 1 : undefined;
}

/** @throws OsaError `usage` for a line that is too long, before all of it is in memory */
async function* lines(stdin: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stdin) {
    const found = (rest + decoder.write(Buffer.from(chunk))).split('\n');
    rest = found.pop() ?? '';
    yield* found;
    if (rest.length <= longestLine) continue;
    const message = `standard input has a line of more than ${longestLine} characters; give one name a line`;
    throw new OsaError('usage', message, { field: 'what' });
  }
  rest += decoder.end();
  if (rest !== '') yield rest;
}

/** A name that cannot be traced is an answer too; what would stop all others is thrown. */
async function traced(client: Client, what: string, as: Kind | undefined): Promise<object> {
  try {
    if (what.length > longestName) {
      throw new OsaError('usage', `a name has at most ${longestName} characters`, { field: 'what' });
    }
    const { kind, trace } = await traceNamed(client, what, as);
    return { what, kind, trace };
  } catch (error) {
    const known = asOsaError(error);
    if (!known || !ofOneName.has(known.code)) throw error;
    const { code, message } = known;
    return { what, error: { code, message } };
  }
}

const ofOneName: ReadonlySet<string> = new Set(['not_found', 'usage', 'invalid']);
