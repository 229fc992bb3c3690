import { canonicalJson } from '../json/canonical.ts';
import type { ReleaseContent } from './release.ts';

export interface ReleaseDifference {
  /** Such as `digest`, `config.relation`, `limits.memory`. */
  readonly path: string;
  /** Null where there is none. */
  readonly from: unknown;
  readonly to: unknown;
}

/** The parts of a release that can differ. The config is null where it may not be seen; its digest is compared then. */
export type ComparedRelease = Omit<ReleaseContent, 'config'> & {
  readonly config: ReleaseContent['config'] | null;
  readonly config_digest: string;
};

/**
 * The differences of two releases of a hook: the config by key, or by its digest where one side may not be seen. `from`
 * is null where nothing was live; then every part of `to` differs.
 */
export function releaseDifferences(from: ComparedRelease | null, to: ComparedRelease): ReleaseDifference[] {
  const isShown = to.config !== null && (from === null || from.config !== null);
  const [before, after] = [from ? partsOf(from, isShown) : new Map(), partsOf(to, isShown)];
  return (
    [...new Set([...before.keys(), ...after.keys()])]
      .map((path) => ({ path, from: before.get(path) ?? null, to: after.get(path) ?? null }))
      // The order of a config's keys means nothing.
      .filter((difference) => canonicalJson(difference.from) !== canonicalJson(difference.to))
  );
}

/** The parts that decide a result, and the source, by name. */
function partsOf(release: ComparedRelease, withConfig: boolean): Map<string, unknown> {
  const { runtime, image, digest, command, config, config_digest, limits, source_ref } = release;
  return new Map<string, unknown>([
    ['runtime', runtime],
    ['image', image],
    ['digest', digest],
    ['command', command],
    ...(withConfig
      ? Object.entries(config ?? {}).map(([key, value]) => [`config.${key}`, value] as const)
      : ([['config_digest', config_digest]] as const)),
    ...Object.entries(limits).map(([name, value]) => [`limits.${name}`, value] as const),
    ['source_ref', source_ref],
  ]);
}
