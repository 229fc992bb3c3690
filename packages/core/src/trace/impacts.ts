import type { Answer } from '../api/index.ts';
import type { Page } from '../hook/registry.ts';

/** Which releases are meant. */
export type Selection =
  | { readonly by: 'releases'; readonly releases: readonly ReleaseName[] }
  | { readonly by: 'digest'; readonly digest: string }
  | { readonly by: 'commits'; readonly commits: readonly string[] }
  | { readonly by: 'builder'; readonly subject: string };

export interface ReleaseName {
  readonly hook: string;
  readonly version: number;
}

/** What releases have made, from the counts of their runs. */
export interface Impacts {
  /** Ordered by hook and version, at most `most`. */
  select(selection: Selection, most: number): Promise<ReleaseName[]>;
  made(releases: readonly ReleaseName[]): Promise<Answer<'impact'>>;
  rows(releases: readonly ReleaseName[], page: Page): Promise<Answer<'impactRows'>>;
}
