import type { Answer, Query } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { gitIn } from '@osa/core/programs/git';
import { type Context, defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { shortDigest, shortSource, time, version } from '../../terminal/format.ts';
import { bold, dim, type Line, line } from '../../terminal/paint.ts';
import { storedId, text } from '../../terminal/parse.ts';
import { table } from '../../terminal/table.ts';
import { fullId } from '../full-id.ts';
import { madeText } from './story-lines.ts';

export const impact = defineCommand({
  description:
    'Counts the rows and records that releases have made, by release and by convention: of one release, of all ' +
    'with a digest, of those built from a commit or a range of commits, of those that somebody built, or of ' +
    'those that a deploy declared. The counts are kept by the runs, so the answer is quick.\n\n' +
    'A range of commits, A..B, is resolved by git in the current directory.',
  options: {
    release: { value: 'HOOK@N', description: 'one release', parse: text(100) },
    digest: { value: 'DIGEST', description: 'all releases with this code', parse: text(100) },
    sourceRef: {
      value: 'A..B',
      description: 'releases from these commits, or from one commit',
      parse: text(500),
    },
    builtBy: { value: 'WHO', description: 'releases that this subject built', parse: text(1_000) },
    deploy: { value: 'ID', description: 'releases that this deploy declared', parse: storedId },
    list: { description: 'print the names of the rows instead, one a line; with --json one document a line' },
  },
  examples: [
    ['osa impact --release seismic_energy@2', 'what one release has touched'],
    ['osa impact --source-ref v1.3..v1.4', 'what a range of commits has touched'],
    ['osa impact --digest sha256:… --list > rows.txt', 'the names of all rows'],
  ],
  json: '{"made": {"rows", "records", "runs", "first_at", "last_at"}, "releases": [{"hook", "version", "made", …}], "conventions": […]}; with --list {"name", "record_srn", "source_id", "release", "current"} a line',
  async run(context, { options: { list, ...chosen } }) {
    const client = context.client();
    const query = await queryOf(context, client, chosen);
    if (list) return listRows(context, client, query);
    const answer = await client.call('impact', { query });
    context.output.result(answer, impactLines(answer));
    return undefined;
  },
});

type Chosen = Readonly<Record<'release' | 'digest' | 'sourceRef' | 'builtBy' | 'deploy', string | undefined>>;
type Selection = NonNullable<Query<'impact'>>;

async function queryOf(context: Context, client: Client, chosen: Chosen): Promise<Selection> {
  const given = Object.values(chosen).filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new OsaError(
      'usage',
      'give exactly one of --release, --digest, --source-ref, --built-by and --deploy',
      { field: 'release' },
    );
  }
  const { release, digest, sourceRef, builtBy, deploy } = chosen;
  if (release !== undefined) return { release };
  if (digest !== undefined) return { digest };
  if (builtBy !== undefined) return { built_by: builtBy };
  if (deploy !== undefined) return { deploy: await fullId(client, 'deploy', deploy) };
  return {
    commits: (await commitsOf(context, sourceRef ?? '')).map((commit) => commit.slice(0, 16)).join(','),
  };
}

/** The commits of a range, or the one commit that a name means. @throws OsaError `usage` */
async function commitsOf({ sources }: Context, given: string): Promise<string[]> {
  const usage = (why: string) => new OsaError('usage', `--source-ref: ${why}`, { field: 'source-ref' });
  // A commit may be named where there is no repository.
  if (/^[0-9a-f]{12,64}$/.test(given)) return [given];
  const git = gitIn(sources.cwd, sources.environment);
  const most = bounds.impactCommits;
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

/** Page by page, so that memory does not grow with the list. */
async function listRows({ output }: Context, client: Client, selection: Selection): Promise<undefined> {
  for (let cursor: string | undefined; ; ) {
    const { items, next_cursor } = await client.call('impactRows', {
      query: { ...selection, limit: bounds.pageRows, ...(cursor !== undefined && { cursor }) },
    });
    for (const item of items) output.document(output.json ? JSON.stringify(item) : item.name);
    if (next_cursor === null) return undefined;
    cursor = next_cursor;
  }
}

function impactLines({ made, releases, conventions }: Answer<'impact'>): Line[] {
  if (releases.length === 0) return ['no release matches'];
  return [
    line`${bold(madeText(made))}`,
    '',
    ...table(
      ['release', 'live', 'digest', 'rows', 'records', 'first', 'last', 'source'],
      releases.map((release) => [
        `${release.hook}@${release.version}`,
        version(release.live_version),
        shortDigest(release.digest),
        release.made.rows,
        release.made.records,
        time(release.made.first_at),
        time(release.made.last_at),
        shortSource(release.source_ref),
      ]),
    ),
    ...(conventions.length === 0
      ? [dim('no rows of them can be read')]
      : [
          '',
          ...table(
            ['convention', 'rows', 'records', 'runs'],
            conventions.map(({ convention, rows, records, runs }) => [convention, rows, records, runs]),
          ),
        ]),
  ];
}
