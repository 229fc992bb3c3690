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

/** Whether the principal may do `verb` on `resource`; without a resource, on anything at all. */
export function grants(principal: Principal, verb: ScopeVerb, resource?: string): boolean {
  if (principal.isAdmin || principal.scopes.has(verb)) return true;
  const prefix = `${verb}:`;
  return [...principal.scopes].some(
    (scope) =>
      scope.startsWith(prefix) && (resource === undefined || matches(scope.slice(prefix.length), resource)),
  );
}

/** @throws OsaError `access_denied`, with the missing scope in `details.scope`. */
export function requireScope(principal: Principal, verb: ScopeVerb, resource?: string): void {
  if (grants(principal, verb, resource)) return;
  const scope = resource === undefined ? verb : `${verb}:${resource}`;
  throw new OsaError('access_denied', `this needs the scope ${scope}; sign a token that carries it`, {
    details: { scope },
  });
}

/** Whether whoever has `bound` has all that `scope` grants: they are equal, or the verb, or a wider pattern. */
export function covers(bound: string, scope: string): boolean {
  if (bound === scope) return true;
  if (scopeVerbs.some((verb) => verb === bound)) return scope.startsWith(`${bound}:`);
  return bound.endsWith('*') && isScope(bound) && scope.startsWith(bound.slice(0, -1));
}

/** Whether a text is a scope that something here asks for. */
export function isScope(text: string): boolean {
  return scopeVerbs.some(
    (verb) => text === verb || (text.startsWith(`${verb}:`) && text.length > verb.length + 1),
  );
}

function matches(pattern: string, resource: string): boolean {
  return pattern.endsWith('*') ? resource.startsWith(pattern.slice(0, -1)) : pattern === resource;
}
