import type { Answer } from '../api/index.ts';
import { grants, requireAnyScope } from '../auth/scope.ts';
import { FileRequirements, unknownConvention } from '../convention/convention.ts';
import { untold } from '../deposition/access.ts';
import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { sha256 as digestOf } from '../hook/release.ts';
import type { FileStore } from '../storage/index.ts';
import type { Store, Writer } from '../store.ts';

/** Scopes that allow sending files of a convention. */
const senders = ['ingestions:write', 'depositions:write'] as const;

export interface FileParts {
  readonly store: Store;
  readonly files: FileStore;
  readonly fileBytes: number;
  /** The bytes of files that one actor may send on a day. */
  readonly uploadBytesPerDay: number;
}

export interface FilePart {
  readonly slug: string;
  readonly sha256: string;
  readonly offset: number;
  readonly size: number;
}

/**
 * Takes a part of a file of records of a convention. A file that the caller has sent, or may read, is not
 * read again. One that is stored for others is: only its bytes show that the caller has it.
 *
 * @throws OsaError `access_denied`, `not_found` (the convention), `invalid` (it takes no files; another digest),
 * `too_large`, `rate_limited` (as much as the caller may send on a day), `conflict` (another offset), `in_progress`, `unavailable`
 */
export async function uploadFile(
  { store, files, fileBytes, uploadBytesPerDay }: FileParts,
  writer: Writer,
  { slug, sha256, offset, size }: FilePart,
  chunks: () => AsyncIterable<Uint8Array>,
): Promise<Answer<'putFile'>> {
  requireAnyScope(writer.principal, senders, slug);
  await requireSize(store, slug, { size, fileBytes });
  await store.useBlobs([sha256]);
  const known = (await store.files.known(writer.principal, [sha256])).get(sha256);
  if (known !== undefined) return { sha256, size: known.size, received: known.size, stored: true };
  const part = { sender: senderOf(writer), offset, size };
  const use = await reserved(store, writer, Math.max(0, size - offset), uploadBytesPerDay);
  const { received, stored } = await files
    .receive(sha256, use.counted(chunks()), part)
    .finally(() => use.giveBackRest());
  if (stored === undefined) return { sha256, size, received, stored: false };
  // The files of a depositor make no event.
  const told = grants(writer.principal, 'ingestions:write', slug) ? writer : untold(writer);
  const answer = await store.write(told, async (transaction) => {
    await transaction.files.record(sha256, stored);
    await failpoint('file.recorded');
    return { sha256, size, received, stored: true };
  });
  await failpoint('file.after-commit');
  return answer;
}

/** Which of the files are not stored for the caller, and how much of each has come from the caller. */
export async function missingFiles(
  { store, files }: Pick<FileParts, 'store' | 'files'>,
  writer: Writer,
  { slug, sha256 }: { readonly slug: string; readonly sha256: readonly string[] },
): Promise<Answer<'missingFiles'>> {
  const { principal } = writer;
  requireAnyScope(principal, senders, slug);
  // First said, then looked for: the caller does not send what it hears is there, and means to use it.
  await store.useBlobs([...(await store.files.known(principal, sha256)).keys()]);
  const stored = await store.files.known(principal, sha256);
  const absent = [...new Set(sha256)].filter((digest) => !stored.has(digest));
  const missing = [];
  for (const digest of absent) {
    missing.push({ sha256: digest, received: await files.received(digest, senderOf(writer)) });
  }
  return { missing };
}

/** Counts a part before it comes, so that uploads at the same time cannot send more together. */
async function reserved(store: Store, { principal }: Writer, bytes: number, mostBytes: number) {
  const found = bytes === 0 ? 'reserved' : await store.uploadUse.reserve(principal, bytes, mostBytes);
  if (found !== 'reserved') {
    const gibibytes = Math.floor(mostBytes / 2 ** 30);
    throw new OsaError(
      'rate_limited',
      `you may send ${gibibytes} GiB of files on a day, and this part of ${bytes} bytes is beyond that; go on after ` +
        'midnight UTC (what has come is kept), or ask the operator for more (OSA_UPLOAD_GIGABYTES_PER_DAY)',
      { field: 'size', details: { limit: mostBytes, retry_after_seconds: found.waitSeconds } },
    );
  }
  let rest = bytes;
  return {
    async *counted(chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        rest = Math.max(0, rest - chunk.length);
        yield chunk;
      }
    },
    giveBackRest: () => (rest === 0 ? Promise.resolve() : store.uploadUse.giveBack(principal, rest)),
  };
}

/** A name for the sender that is safe in a path. */
function senderOf({ principal: { issuer, subject } }: Writer): string {
  return digestOf(JSON.stringify([issuer, subject])).slice(0, 32);
}

async function requireSize(
  store: Store,
  slug: string,
  { size, fileBytes }: { readonly size: number; readonly fileBytes: number },
): Promise<void> {
  const convention = await store.registry.convention(slug);
  if (!convention) throw unknownConvention(slug);
  const { max_count, max_file_size } = FileRequirements.parse(convention.file_requirements);
  if (max_count === 0) {
    throw new OsaError(
      'invalid',
      `${slug} takes no files; files.max_count of its convention.yaml says how many`,
      {
        field: 'slug',
      },
    );
  }
  const most = max_file_size === 0 ? fileBytes : Math.min(fileBytes, max_file_size);
  if (size <= most) return;
  throw new OsaError('too_large', `size: ${size} bytes, and ${slug} takes files of ${most} bytes at most`, {
    field: 'size',
    details: { limit: most },
  });
}
