import type { Answer } from '../api/index.ts';
import type { Page } from '../hook/registry.ts';

/** A fact of the supply chain, by which releases, runs and rows are selected. */
export type Selection =
  | { readonly by: 'releases'; readonly releases: readonly ReleaseName[] }
  | { readonly by: 'digest'; readonly digest: string }
  | { readonly by: 'commits'; readonly commits: readonly string[] }
  | { readonly by: 'builder'; readonly subject: string }
  | { readonly by: 'record'; readonly srn: string };

export interface ReleaseName {
  readonly hook: string;
  readonly version: number;
}

/** The result of a selection. */
export interface Chosen {
  /** Ordered by hook and version. */
  readonly releases: readonly ReleaseName[];
  /** The digest of a platform that something ran on: those runs, of whatever release. */
  readonly platform: string | null;
  /** The key of a published record: its rows, of whatever release. */
  readonly record: string | null;
}

/** Rows and records that a selection has made, from the counts of the runs. */
export interface Impacts {
  /** Finds at most `most` releases. */
  select(selection: Selection, most: number): Promise<Chosen>;
  /** At most `most` digests of releases that begin so, in their order. */
  digests(beginning: string, most: number): Promise<readonly string[]>;
  made(chosen: Chosen): Promise<Answer<'impact'>>;
  rows(chosen: Chosen, page: Page): Promise<Answer<'impactRows'>>;
}
