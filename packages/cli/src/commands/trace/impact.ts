import type { Answer, Query } from '@osa/core/api';
import { bounds } from '@osa/core/limits';
import { type Context, defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { shortDigest, shortSource, time, version } from '../../terminal/format.ts';
import { bold, dim, type Line, line } from '../../terminal/paint.ts';
import { table } from '../../terminal/table.ts';
import { type Fact, factOf, factOptions } from './facts.ts';
import { madeText } from './story-lines.ts';

export const impact = defineCommand({
  description:
    'Counts the rows and records that releases have made, by release and by convention: of one release, of all ' +
    'with a digest, of those built from a commit or a range of commits, of those that somebody built, of ' +
    'those that a deploy declared, or of one record. The counts are kept by the runs, so the answer is quick.\n\n' +
    'A range of commits, A..B, is resolved by git in the current directory.',
  options: {
    ...factOptions,
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
    const query = queryOf(await factOf(context, client, chosen, { mostCommits: bounds.impactCommits }));
    if (list) return listRows(context, client, query);
    const answer = await client.call('impact', { query });
    context.output.result(answer, impactLines(answer));
    return undefined;
  },
});

type Selection = NonNullable<Query<'impact'>>;

/** The first 16 digits tell commits apart, and keep the query short. */
function queryOf(fact: Fact): Selection {
  if (!('commits' in fact)) return fact;
  return { commits: fact.commits.map((commit) => commit.slice(0, 16)).join(',') };
}

async function listRows(context: Context, client: Client, selection: Selection): Promise<undefined> {
  return listTouched(context, (page) => client.call('impactRows', { query: { ...selection, ...page } }));
}

type Rows = Answer<'impactRows'>;

/** The names of rows, page by page, so that memory does not grow with the list. */
export async function listTouched(
  { output }: Context,
  read: (page: { readonly limit: number; readonly cursor?: string }) => Promise<Rows>,
): Promise<undefined> {
  for (let cursor: string | undefined; ; ) {
    const { items, next_cursor } = await read({
      limit: bounds.pageRows,
      ...(cursor !== undefined && { cursor }),
    });
    for (const item of items) output.document(output.json ? JSON.stringify(item) : item.name);
    if (next_cursor === null) return undefined;
    cursor = next_cursor;
  }
}

function impactLines(answer: Answer<'impact'>): Line[] {
  return answer.releases.length === 0 ? ['nothing matches'] : touchedLines(answer);
}

/** Rows and records that were made, by release and by convention. */
export function touchedLines({ made, releases, conventions }: Answer<'impact'>): Line[] {
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
