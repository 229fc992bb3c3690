import { OsaError } from '../error.ts';
import type { Principal } from './principal.ts';

/**
 * A scope is a verb, optionally narrowed to a resource: `hooks:write`, `hooks:write:seismic_energy`, or a prefix
 * with one `*` at its end, `conventions:write:usgs-*`. The verb itself takes no pattern.
 */

export const scopeVerbs = [
  'conventions:write',
  'hooks:write',
  'ingestions:write',
  'ingestions:read',
  'runs:read',
] as const;

export type ScopeVerb = (typeof scopeVerbs)[number];

/** Whether one of `scopes` grants `verb` on `resource`; without a resource, on anything at all. */
export function grants(scopes: ReadonlySet<string>, verb: ScopeVerb, resource?: string): boolean {
  if (scopes.has(verb)) return true;
  const prefix = `${verb}:`;
  return [...scopes].some(
    (scope) =>
      scope.startsWith(prefix) && (resource === undefined || matches(scope.slice(prefix.length), resource)),
  );
}

/** @throws OsaError `access_denied`, with the missing scope in `details.scope`. */
export function requireScope(principal: Principal, verb: ScopeVerb, resource?: string): void {
  if (grants(principal.scopes, verb, resource)) return;
  const scope = resource === undefined ? verb : `${verb}:${resource}`;
  throw new OsaError('access_denied', `this needs the scope ${scope}; sign a token that carries it`, {
    details: { scope },
  });
}

function matches(pattern: string, resource: string): boolean {
  return pattern.endsWith('*') ? resource.startsWith(pattern.slice(0, -1)) : pattern === resource;
}
