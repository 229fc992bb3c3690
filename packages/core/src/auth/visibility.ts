import type { Principal } from './principal.ts';
import { everything, grants } from './scope.ts';

/** Configs may hold secrets, and answers name other machines, so only readers of runs see them. */

/** A release of `hook`, without its config unless the reader may see it. */
export function hideConfig<T extends { readonly config: unknown }>(
  release: T,
  principal: Principal | undefined,
  hook: string,
): T {
  return mayReadRuns(principal, hook) ? release : { ...release, config: null };
}

/** Attempts of `hook`, without what a registry or an engine answered where the code did not start. */
export function hideAnswers<T extends { readonly ending: string | null; readonly detail: string | null }>(
  attempts: readonly T[],
  principal: Principal | undefined,
  hook: string,
): T[] {
  if (mayReadRuns(principal, hook)) return [...attempts];
  return attempts.map((attempt) =>
    attempt.ending === 'not_started' ? { ...attempt, detail: null } : attempt,
  );
}

/**
 * Whether a reader may see data that belongs to no single hook: the body of a deploy, which holds the configs of several
 * hooks, and the config of an ingester. A scope that names hooks never suffices.
 */
export function mayReadAllRuns(principal: Principal | undefined): boolean {
  return mayReadRuns(principal, everything);
}

export function mayReadRuns(principal: Principal | undefined, hook: string): boolean {
  return principal !== undefined && grants(principal, 'runs:read', hook);
}
