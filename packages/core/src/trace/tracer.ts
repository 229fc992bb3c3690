import type { Answer } from '../api/index.ts';
import type { Page } from '../hook/registry.ts';

/** Where rows come from. One statement reads everything that can change, so that an answer holds together. */
export interface Tracer {
  row(hook: string, id: number): Promise<Answer<'traceRow'> | undefined>;
  record(srn: string): Promise<Answer<'traceRecord'> | undefined>;
}

/** The other questions: from a run, a release, a deploy or a source. */
export interface Stories {
  readonly finds: Finds;
  run(id: string): Promise<Answer<'traceRun'> | undefined>;
  release(hook: string, version: number): Promise<Answer<'traceRelease'> | undefined>;
  /** The releases that a deploy declared. */
  deployed(
    hooks: readonly { readonly name: string; readonly version: number; readonly created: boolean }[],
  ): Promise<Answer<'traceDeploy'>['releases']>;
  /** The SRN of the newest record of a source. */
  newestRecord(source: Source): Promise<string | undefined>;
  /** The versions of a source's record, newest first; one more than the page, if there is one, to compare with. */
  versions(source: Source, page: Page): Promise<StoredHistory | undefined>;
}

export interface Source {
  readonly convention: string;
  readonly sourceId: string;
}

type Found = Answer<'findTraced'>['items'][number];

export interface Finds {
  /** Records of a source that failed and were not tried again, among the newest batches, the newest first. */
  failed(
    sourceId: string,
    convention: string | undefined,
    most: number,
  ): Promise<Answer<'findTraced'>['failed']>;
  /** The versions of a record by its id, a UUID, the newest first. */
  record(
    recordId: string,
    most: number,
  ): Promise<{ readonly srn: string; readonly convention: string; readonly published_at: string }[]>;
  sources(sourceId: string, convention: string | undefined, most: number): Promise<Found[]>;
  ids(
    range: { readonly first: string; readonly last: string },
    kind: 'run' | 'deploy',
    most: number,
  ): Promise<Found[]>;
}

type Version = Answer<'sourceHistory'>['versions'][number];
type Result = Version['results'][number];

/** The stored history of a source, before anything is compared. */
export interface StoredHistory {
  readonly versionCount: number;
  /** Newest first. */
  readonly versions: readonly StoredVersion[];
  readonly next_cursor: string | null;
  readonly has_more: boolean;
}

export type StoredVersion = Omit<Version, 'changes' | 'results'> & {
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Oldest first. */
  readonly results: readonly StoredResult[];
};

export type StoredResult = Pick<
  Result,
  | 'hook'
  | 'status'
  | 'rejection'
  | 'run_id'
  | 'at'
  | 'release'
  | 'digest'
  | 'current'
  | 'row_count'
  | 'recalled'
> & {
  /** Whether a recompute made it, and whether that was for a recall. */
  readonly recomputed: 'recomputed' | 'recalled' | null;
  readonly rows: readonly Omit<Result['rows'][number], 'changes'>[];
};
