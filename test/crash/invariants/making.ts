import type { Making } from '../hooks.ts';
import type { Model } from './model.ts';

/** Facts about a release, stored or shown. */
export interface ReleaseFacts {
  readonly digest: string;
  readonly config: object | null;
  readonly command: readonly string[] | null;
}

/** The words that rows of such a release have about it. */
export function makingOf({ digest, config, command }: ReleaseFacts, model: Model): Making {
  const { variant = 'none' } = (config ?? {}) as { readonly variant?: string };
  return { oracle: model.codes.get(digest)?.token ?? 'none', config: variant, argument: command?.[2] ?? '' };
}

export function isSame(one: Making, other: Making): boolean {
  return one.oracle === other.oracle && one.config === other.config && one.argument === other.argument;
}

export function spell({ oracle, config, argument }: Making): string {
  return [oracle, config, argument].join(' ').trim();
}
