import { OsaError } from '@osa/core/error';
import { gitIn } from '@osa/core/system/git';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { storedId, text } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';

/** The facts of the supply chain by which `osa impact` and `osa recall open` select. */

export const factOptions = {
  release: { value: 'HOOK@N', description: 'one release', parse: text(100) },
  digest: {
    value: 'DIGEST',
    description:
      'releases with this code, by its digest or the beginning of it, and runs on this platform of an image',
    parse: text(100),
  },
  sourceRef: {
    value: 'A..B',
    description: 'releases from these commits, or from one commit',
    parse: text(500),
  },
  builtBy: { value: 'WHO', description: 'releases that this subject built', parse: text(1_000) },
  deploy: { value: 'ID', description: 'releases that this deploy declared', parse: storedId },
  record: { value: 'SRN', description: 'one version of a record, and its rows', parse: text(400) },
} as const;

type Chosen = Readonly<Record<keyof typeof factOptions, string | undefined>>;

/** A fact as the server takes it; the whole names of commits, newest first. */
export type Fact =
  | { readonly release: string }
  | { readonly digest: string }
  | { readonly commits: readonly string[] }
  | { readonly built_by: string }
  | { readonly deploy: string }
  | { readonly record: string };

/** @throws OsaError `usage` when not exactly one fact is given, or git cannot resolve it */
export async function factOf(
  context: Context,
  client: Client,
  chosen: Chosen,
  { mostCommits }: { readonly mostCommits: number },
): Promise<Fact> {
  const given = Object.values(chosen).filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new OsaError(
      'usage',
      'give exactly one of --release, --digest, --source-ref, --built-by, --deploy and --record',
      { field: 'release' },
    );
  }
  const { release, digest, sourceRef, builtBy, deploy, record } = chosen;
  if (release !== undefined) return { release };
  if (digest !== undefined) return { digest };
  if (builtBy !== undefined) return { built_by: builtBy };
  if (record !== undefined) return { record };
  if (deploy !== undefined) return { deploy: await fullId(client, 'deploy', deploy) };
  return { commits: await commitsOf(context, sourceRef ?? '', mostCommits) };
}

/** The commits of a range, or the one commit that a name means. @throws OsaError `usage` */
async function commitsOf({ sources }: Context, given: string, most: number): Promise<string[]> {
  const usage = (why: string) => new OsaError('usage', `--source-ref: ${why}`, { field: 'source-ref' });
  // A commit may be named where there is no repository.
  if (/^[0-9a-f]{12,64}$/.test(given)) return [given];
  const git = gitIn(sources.cwd, sources.environment);
  const answer = await git(
    'rev-list',
    `--max-count=${given.includes('..') ? most + 1 : 1}`,
    '--end-of-options',
    given,
    '--',
  );
  if (!answer.ok)
    throw usage(
      `git does not know ${given} here (${answer.said}); go to the repository, or give a commit's whole name`,
    );
  const commits = answer.stdout.toString('utf8').split('\n').filter(Boolean);
  if (commits.length === 0) throw usage(`the range ${given} has no commits; the older one comes first`);
  if (commits.length > most)
    throw usage(`the range ${given} has more than ${most} commits; give a smaller one`);
  return commits;
}
