import type { PackedDirectory } from '@osa/core/hook/archive/pack';
import type { Context } from '../command.ts';
import { ciCommit } from './ci.ts';
import { checkoutDifference, fileDifference, packageDifference } from './compare.ts';
import { type Asked, type ListedTree, publicRemote, type Repository } from './repository.ts';

/** Where code comes from, and why that is not a commit that holds its very bytes. */
export interface Source {
  /** Undefined when it is not known. */
  readonly ref: string | undefined;
  /** Undefined when `ref` names a commit that holds the bytes. */
  readonly why: string | undefined;
}

/**
 * The source of a packed directory, of an image that is built from the repository, or of one file:
 *
 * - `git+<remote>@<commit>` with the URL of `origin`, else of the first remote by name;
 * - `git:<commit>` when there is no remote that others can reach, so that no local path is shown.
 *
 * `-dirty` follows unless the bytes are those of the commit. For an image these are all tracked files of the
 * repository. User info never stays in a URL, the conventional `git@` of ssh included: so the only `@` stands before
 * the commit. Without git nothing can be compared, and the commit that CI names in the environment is not taken.
 */
export async function packageSource(
  asked: Asked,
  { packed, listed }: { readonly packed: PackedDirectory; readonly listed: ListedTree },
  environment: NodeJS.ProcessEnv,
): Promise<Source> {
  return sourceOf(asked, environment, (repository) =>
    'why' in listed ? listed.why : packageDifference(packed, listed.tree, repository),
  );
}

export async function imageSource(
  asked: Asked,
  environment: NodeJS.ProcessEnv,
  stop?: AbortSignal,
): Promise<Source> {
  return sourceOf(asked, environment, (repository) => checkoutDifference(repository, environment, { stop }));
}

export async function fileSource(
  asked: Asked,
  file: { readonly name: string; readonly content: Uint8Array },
  environment: NodeJS.ProcessEnv,
): Promise<Source> {
  return sourceOf(asked, environment, (repository) => fileDifference(repository, file));
}

async function sourceOf(
  asked: Asked,
  environment: NodeJS.ProcessEnv,
  differenceIn: (repository: Repository) => string | undefined | Promise<string | undefined>,
): Promise<Source> {
  const ci = ciCommit(environment);
  if ('why' in asked) {
    const claim =
      ci &&
      `; CI names the commit ${ci.commit}, which is not taken, since the bytes cannot be compared with it`;
    return { ref: undefined, why: `${asked.why}${claim ?? ''}` };
  }
  const { repository } = asked;
  const { commit } = repository;
  const remote = (await publicRemote(repository)) ?? (ci?.commit === commit ? ci.url : undefined);
  const why = await differenceIn(repository);
  return { ref: `${remote ? `git+${remote}@` : 'git:'}${commit}${why === undefined ? '' : '-dirty'}`, why };
}

const unknownSource = 'unknown';

/** The `source_ref` to send, with a note if it does not name a commit. */
export function notedSource({ output }: Context, name: string, { ref, why }: Source): string {
  if (why !== undefined) output.note(`${name}: the source_ref is ${ref ?? unknownSource}, because ${why}`);
  return ref ?? unknownSource;
}
