import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy } from '@fastify/busboy';
import { OsaError } from '@osa/core/error';

/** Bytes beside the file: boundaries and the headers of its part. */
export const formOverhead = 16 * 1024;

/**
 * Reads a form of one file, which must be in the field `file`, and passes its name and its bytes on as they come.
 *
 * @throws OsaError `malformed` (no form, or torn), `invalid` (another field, two files, no file), and what `take` throws
 */
export async function fileOfForm<T>(
  { headers }: Pick<IncomingMessage, 'headers'>,
  chunks: AsyncIterable<Uint8Array>,
  take: (name: string, bytes: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const form = formReader(headers);
  const taken: Promise<T>[] = [];
  let problem: OsaError | undefined;
  form.on('file', (field, stream, name) => {
    // Errors of the form reach whoever reads the file, and the pipeline.
    stream.on('error', () => undefined);
    if (field !== 'file' || taken.length > 0 || !name) {
      problem ??= wrongForm();
      stream.resume();
      return;
    }
    const work = take(name, stream);
    taken.push(work);
    // A refusal ends the reading of the form; it is thrown below.
    work.catch((error: Error) => form.destroy(error));
  });
  form.on('field', () => {
    problem ??= wrongForm();
  });
  const read = await pipeline(Readable.from(chunks, { objectMode: false }), form).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const [work] = await Promise.allSettled(taken);
  if (work?.status === 'rejected') throw work.reason;
  if (read) throw asMalformed(read.error);
  if (problem || !work) throw problem ?? wrongForm();
  return work.value;
}

function formReader(headers: IncomingMessage['headers']) {
  try {
    return new Busboy({
      headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
      // A name with a slash is refused, and not cut.
      preservePath: true,
      isPartAFile: (_field, _type, name) => name !== undefined,
      limits: {
        files: 2,
        fields: 10,
        parts: 12,
        fieldNameSize: 100,
        fieldSize: 1_000,
        headerPairs: 20,
        headerSize: 8_192,
      },
    });
  } catch (cause) {
    throw asMalformed(cause);
  }
}

function asMalformed(cause: unknown): unknown {
  const isOfConnection = cause instanceof Error && 'code' in cause;
  if (cause instanceof OsaError || isOfConnection) return cause;
  return new OsaError(
    'malformed',
    `the body is not a whole form (multipart/form-data): ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );
}

function wrongForm(): OsaError {
  return new OsaError(
    'invalid',
    'the form must hold one file in the field "file", with its name, and nothing else',
    {
      field: 'file',
    },
  );
}
