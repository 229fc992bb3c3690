import type { Answer } from '@osa/core/api';
import { command, liveness, shortDigest, shortSource, time, version, when } from '../../terminal/format.ts';
import { bold, dim, green, type Line, line } from '../../terminal/paint.ts';
import { pairs, table } from '../../terminal/table.ts';
import { changedText } from '../comparisons/report.ts';
import { jobEntries } from '../job.ts';

type Release = NonNullable<Answer<'showHook'>['live']>;
type Summary = Answer<'listReleases'>['releases'][number];

/** The code of a release and its source, name by name. */
export function releaseLines(release: Release): (readonly [name: string, value: Line])[] {
  const { timeout_seconds, memory, cpu } = release.limits;
  return [
    ...(release.image === null ? [] : ([['image', release.image]] as const)),
    ['digest', release.digest],
    ...(release.command === null ? [] : ([['command', command(release.command)]] as const)),
    ['config', configLine(release)],
    ['limits', `${memory} memory, ${cpu} cpu, ${timeout_seconds} s`],
    ['source', release.source_ref],
    ...release.further_sources.map(({ source_ref, recorded_by, recorded_at }): readonly [string, Line] => [
      'also from',
      line`${source_ref}  ${dim(`${recorded_by}, ${time(recorded_at)}`)}`,
    ]),
    ['built by', line`${release.built_by}, ${time(release.built_at)}`],
    ...jobEntries(release.built_in),
    ...(release.comparison ? ([['compared', comparisonText(release.comparison)]] as const) : []),
  ];
}

type Compared = NonNullable<Summary['comparison']>;

/** `12 of 500 records (2.4 %) changed: osa comparisons show 0198…`. */
function comparisonText({ id, against, ...report }: Compared): string {
  const than = against === null ? '' : ` from ${version(against)}`;
  return `${changeText(report)}${than}: osa comparisons show ${id}`;
}

/** A count by tolerances says so, since it may leave out every difference. */
function changeText(report: Pick<Compared, 'records' | 'changed_records' | 'is_tolerant'>): string {
  return `${changedText(report)} changed${report.is_tolerant ? ' beyond tolerances' : ''}`;
}

function configLine({ config, config_digest }: Release): Line {
  if (config !== null) return JSON.stringify(config);
  return line`${config_digest} ${dim('(shown with the scope runs:read)')}`;
}

/** Releases as a list, and which of them is live. */
export function releaseTable(releases: Answer<'listReleases'>['releases'], live: number | null): Line[] {
  const isCompared = releases.some(({ comparison }) => comparison !== null);
  return table(
    ['release', '', 'digest', 'source', 'built by', 'built', ...(isCompared ? ['compared'] : [])],
    releases.map((release) => [
      version(release.version),
      release.is_live ? liveness(release.version, live) : '',
      shortDigest(release.digest),
      // Not cut: the commit stands at the end.
      sourceCell(release),
      release.built_by,
      when(release.built_at),
      ...(isCompared
        ? [release.comparison && `${changeText(release.comparison)}: ${release.comparison.id}`]
        : []),
    ]),
  );
}

/** The first source, and the newest of the further ones. */
function sourceCell({ source_ref, further_sources: [further] }: Summary): Line {
  const first = line`${shortSource(source_ref)}`;
  return further === undefined ? first : line`${first}, also ${shortSource(further.source_ref)}`;
}

/** The result of a release; `before` was live until then, and `sent` is the source that was given. */
export function mintedLines(
  answer: Answer<'release'>,
  { before, sent }: { readonly before: Answer<'showHook'>['live']; readonly sent: string | undefined },
): Line[] {
  const { hook_name: hook, version: minted, created, digest, source_ref, is_live, live_version } = answer;
  const what = created ? green(`new release v${minted}`) : `known release v${minted}`;
  const was = created && before ? ` (was ${version(before.version)})` : '';
  const isFurther = !created && sent !== undefined && sent !== source_ref && !/^unknown$|-dirty$/.test(sent);
  const standing = is_live ? line`live${was}` : liveness(minted, live_version);
  return [
    line`${bold(hook)}: ${what}, ${standing}`,
    ...pairs([
      ['digest', digest],
      ['source', source_ref],
      ...(isFurther ? ([['also from', line`${sent}  ${dim('(recorded beside the first)')}`]] as const) : []),
    ]),
    ...(is_live ? [] : [line`to make it live: ${bold(`osa hooks activate ${hook} ${minted}`)}`]),
  ];
}
