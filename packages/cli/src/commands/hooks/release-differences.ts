import type { Answer } from '@osa/core/api';
import { type ReleaseDifference, releaseDifferences } from '@osa/core/hook/release-differences';
import { age, command, count, shortDigest, shortSource, time, version } from '../../terminal/format.ts';
import { dim, type Line, line } from '../../terminal/paint.ts';
import { table } from '../../terminal/table.ts';

export type Release = Answer<'showRelease'>;

export interface Comparison {
  readonly differences: readonly ReleaseDifference[];
  /** Where a browser shows what lies between the two commits; null where the host is not known. */
  readonly compare_url: string | null;
}

/** The differences of two releases of a hook. A config that may not be seen is compared by its digest. */
export function compareReleases(from: Release, to: Release): Comparison {
  const [older, newer] = from.version < to.version ? [from, to] : [to, from];
  return {
    differences: releaseDifferences(from, to),
    compare_url: compareUrl(committedSource(older), committedSource(newer)) ?? null,
  };
}

/** A source that names a commit for the very bytes, if one is recorded; else the first. */
function committedSource({ source_ref, further_sources: [further] }: Release): string {
  return further !== undefined && /^unknown$|-dirty$/.test(source_ref) ? further.source_ref : source_ref;
}

/** Two releases side by side, what differs first; `from` is null when there is nothing to compare with. */
export function comparisonLines(from: Release | null, to: Release): Line[] {
  const compare_url = from && compareReleases(from, to).compare_url;
  const differences = releaseDifferences(from, to);
  const side = (release: Release | null) => (release ? factsOf(release) : []);
  const facts = factsOf(to).map(
    ([name, value], index) => [name, side(from)[index]?.[1] ?? dim('-'), value] as const,
  );
  return [
    ...table(['', headOf(from), headOf(to)], [...differenceRows(differences), ...facts]).map(
      (text) => line`  ${text}`,
    ),
    ...(from && differences.length === 0 ? [dim('  nothing that runs differs')] : []),
    ...(compare_url === null ? [] : [line`  ${dim('commits')}  ${compare_url}`]),
  ];
}

/** The differences between two releases, as rows of a table. */
export function differenceRows(
  differences: readonly ReleaseDifference[],
): (readonly [name: string, from: Line, to: Line])[] {
  return differences.map(({ path, from, to }) => [path, shown(path, from), shown(path, to)]);
}

/**
 * The page that shows the commits from `older` to `newer`. It always goes from the older one: the hosts show what
 * the right side has and the left has not, which the other way round is nothing.
 */
export function compareUrl(older: string, newer: string): string | undefined {
  const [from, to] = [parseSource(older), parseSource(newer)];
  if (!from || !to || from.host !== to.host || from.path !== to.path || from.commit === to.commit) {
    return undefined;
  }
  const repository = `https://${from.host}/${from.path}`;
  if (from.host === 'github.com') return `${repository}/compare/${from.commit}...${to.commit}`;
  if (from.host === 'bitbucket.org') return `${repository}/branches/compare/${to.commit}..${from.commit}`;
  return /^gitlab\./.test(from.host) ? `${repository}/-/compare/${from.commit}...${to.commit}` : undefined;
}

/** `git+<remote>@<commit>`, as deploys write it. */
function parseSource(ref: string) {
  const [, host, path, commit] =
    /^git\+(?:https?|ssh):\/\/([\w.-]+)\/([\w.~/-]+?)(?:\.git)?\/?@([0-9a-f]{7,64})(?:-dirty)?$/.exec(ref) ??
    [];
  return host === undefined || path === undefined || commit === undefined
    ? undefined
    : { host: host.toLowerCase(), path, commit };
}

/** Said of both sides, whether they differ or not. */
function factsOf({ built_by, built_at, rows }: Release): (readonly [name: string, value: Line])[] {
  return [
    ['built by', built_by],
    ['built', line`${time(built_at)} ${dim(`(${age(built_at)} ago)`)}`],
    ['rows made', count(rows)],
  ];
}

function headOf(release: Release | null): string {
  if (!release) return 'none live';
  return release.is_live ? `${version(release.version)}, live` : version(release.version);
}

function shown(path: string, value: unknown): Line {
  if (value === null) return dim('-');
  if (path === 'command' && Array.isArray(value)) return command(value.map(String));
  if (typeof value !== 'string') return JSON.stringify(value);
  if (path.startsWith('config.')) return differenceValue(value);
  if (/digest$/.test(path)) return shortDigest(value);
  // Not cut: the commit stands at the end.
  return path === 'source_ref' ? line`${shortSource(value)}` : value;
}

export function differenceValue(value: unknown): string {
  return value === null || value === undefined ? 'absent' : JSON.stringify(value);
}
