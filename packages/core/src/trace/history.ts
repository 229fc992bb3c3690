import type { Answer } from '../api/index.ts';
import type { Difference } from '../hook/hook.ts';
import type { Page } from '../hook/registry.ts';
import { canonicalJson } from '../json/canonical.ts';
import type { Store } from '../store.ts';
import { unknownSource } from './stories.ts';
import type { Source, StoredResult, StoredVersion } from './tracer.ts';

type History = Answer<'sourceHistory'>;
type Version = History['versions'][number];
type Result = Version['results'][number];

/** Values that differ, and that are listed one by one. */
const mostChanges = 100;

/**
 * The time line of a source, a page of versions at a time, the newest first.
 *
 * @throws OsaError `not_found`, `invalid` (cursor)
 */
export async function sourceHistory(store: Store, source: Source, page: Page): Promise<History> {
  const stored = await store.stories.versions(source, page);
  if (!stored) throw unknownSource(source);
  const { versionCount: version_count, versions, next_cursor, has_more } = stored;
  const shown = versions.slice(0, page.limit);
  return {
    convention: source.convention,
    source_id: source.sourceId,
    version_count,
    versions: shown.map((version, index) => compared(version, versions[index + 1])),
    next_cursor,
    has_more,
  };
}

/** A version beside the one before it. Its results are compared with the last ones of their hook, in the order of time. */
export function compared(
  { metadata, results, ...version }: StoredVersion,
  before: StoredVersion | undefined,
): Version {
  const last = new Map(before?.results.map((result) => [result.hook, result]));
  const told: Result[] = [];
  for (const result of results) {
    told.push(comparedResult(result, last.get(result.hook)));
    last.set(result.hook, result);
  }
  return { ...version, changes: before ? differences(before.metadata, metadata) : null, results: told };
}

function comparedResult({ recomputed, ...result }: StoredResult, before: StoredResult | undefined): Result {
  const otherRelease = before !== undefined && before.release !== result.release;
  const causes: Result['causes'] = [
    recomputed ?? 'new_content',
    ...(otherRelease ? (['new_release'] as const) : []),
  ];
  const rowsBefore = new Map(before?.rows.map((row) => [row.ordinal, row.values]));
  return {
    ...result,
    causes,
    row_count_before: before?.row_count ?? null,
    rows: result.rows.map((row) => {
      const values = rowsBefore.get(row.ordinal);
      return { ...row, changes: values ? differences(values, row.values) : null };
    }),
  };
}

/** The members that differ by their canonical text, so that 1 and 1.0 are the same. */
function differences(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Difference[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names
    .map((path) => ({ path, from: before[path] ?? null, to: after[path] ?? null }))
    .filter(({ from, to }) => canonicalJson(from) !== canonicalJson(to))
    .slice(0, mostChanges);
}
