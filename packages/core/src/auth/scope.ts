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

/** As a resource: all there are, so that only the verb itself, or its `*`, grants it. */
export const everything = '*';

/** Whether the principal may do `verb` on `resource`. */
export function grants(principal: Principal, verb: ScopeVerb, resource: string): boolean {
  return holds(principal, verb, (pattern) => matches(pattern, resource));
}

/** @throws OsaError `access_denied`, with the missing scope in `details.scope`. */
export function requireScope(principal: Principal, verb: ScopeVerb, resource: string): void {
  if (grants(principal, verb, resource)) return;
  throw lacking(resource === everything ? verb : `${verb}:${resource}`);
}

/**
 * That the principal may do one of `verbs` on some resource, before it is known on which: a first gate, behind which
 * the use case asks for the resource.
 *
 * @throws OsaError `access_denied`, with the first verb in `details.scope`.
 */
export function requireVerb(principal: Principal, verbs: readonly [ScopeVerb, ...ScopeVerb[]]): void {
  if (!verbs.some((verb) => holds(principal, verb, () => true))) throw lacking(...verbs);
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

function holds(
  { isAdmin, scopes }: Principal,
  verb: ScopeVerb,
  covered: (pattern: string) => boolean,
): boolean {
  if (isAdmin || scopes.has(verb)) return true;
  const prefix = `${verb}:`;
  return [...scopes].some((scope) => scope.startsWith(prefix) && covered(scope.slice(prefix.length)));
}

function lacking(...scopes: readonly [string, ...string[]]): OsaError {
  return new OsaError(
    'access_denied',
    `this needs the scope ${scopes.join(' or ')}; sign a token that carries it`,
    { details: { scope: scopes[0] } },
  );
}

function matches(pattern: string, resource: string): boolean {
  return pattern.endsWith('*') ? resource.startsWith(pattern.slice(0, -1)) : pattern === resource;
}
