import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy } from '@fastify/busboy';
import { OsaError } from '@osa/core/error';

/** Bytes beside the file: boundaries and the headers of its part. */
export const formOverhead = 16 * 1024;

/**
 * Reads a form of one file, which must be in the field `file`. `keep` gets its bytes as they come, and what it keeps is
 * disposed if the form is refused after all.
 *
 * @throws OsaError `malformed` (not a form, or torn), `invalid` (another field, two files, no file), and what `keep` throws
 */
export async function fileOfForm<T extends AsyncDisposable>(
  { headers }: Pick<IncomingMessage, 'headers'>,
  chunks: AsyncIterable<Uint8Array>,
  keep: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<{ readonly name: string; readonly kept: T }> {
  const form = formReader(headers);
  const files: { readonly name: string; readonly stream: Readable; readonly kept: Promise<T> }[] = [];
  let isWrong = false;
  form.on('file', (field, stream, name) => {
    // Errors of the form reach the reader of the file, and the pipeline.
    stream.on('error', () => undefined);
    if (field !== 'file' || files.length > 0 || !name) {
      isWrong = true;
      stream.resume();
      return;
    }
    const kept = keep(stream);
    files.push({ name, stream, kept });
    // A refusal ends the reading of the form; it is thrown below.
    kept.catch((error: Error) => form.destroy(error));
  });
  form.on('field', () => {
    isWrong = true;
  });
  const failure = await pipeline(Readable.from(chunks, { objectMode: false }), form).then(
    () => undefined,
    (cause: unknown) => ({ cause }),
  );
  const [file] = files;
  // A form that is cut ends no file by itself.
  if (failure) file?.stream.destroy(failure.cause as Error);
  const [kept] = await Promise.allSettled(files.map((one) => one.kept));
  if (kept?.status === 'rejected') throw asMalformed(kept.reason);
  if (file && kept && !failure && !isWrong) return { name: file.name, kept: kept.value };
  await kept?.value[Symbol.asyncDispose]();
  throw failure ? asMalformed(failure.cause) : wrongForm();
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
