import { OsaError } from '../error.ts';
import { primaryIssuer } from './issuer.ts';
import type { Principal } from './principal.ts';
import { roleFor } from './role.ts';

/**
 * A scope is a verb, optionally narrowed to a resource: `hooks:write`, `hooks:write:seismic_energy`, or a prefix
 * with one `*` at its end, `conventions:write:usgs-*`. The verb itself takes no pattern.
 */

export const scopeVerbs = [
  'conventions:write',
  'hooks:write',
  'schemas:write',
  'ingestions:write',
  'ingestions:read',
  'depositions:write',
  'depositions:review',
  'runs:read',
  'replays:write',
  'publishers:write',
  'recalls:write',
  'events:read',
] as const;

export type ScopeVerb = (typeof scopeVerbs)[number];

/** All resources: only the verb alone or `<verb>:*` grants it. */
export const everything = '*';

/** Whether the principal may do `verb` on `resource`. */
export function grants(principal: Principal, verb: ScopeVerb, resource: string): boolean {
  const isGranted = holds(principal, verb, (pattern) => matches(pattern, resource));
  if (isGranted) principal.used?.add(`${verb}:${resource}`);
  return isGranted;
}

/** Requires rights that `used` has collected. @throws OsaError `access_denied` */
export function requireRights(principal: Principal, rights: readonly string[]): void {
  for (const right of rights) {
    const verb = scopeVerbs.find((one) => right.startsWith(`${one}:`));
    if (verb === undefined) throw lacking(principal, right);
    requireScope(principal, verb, right.slice(verb.length + 1));
  }
}

/** @throws OsaError `access_denied`, with the missing scope in `details.scope`. */
export function requireScope(principal: Principal, verb: ScopeVerb, resource: string): void {
  if (grants(principal, verb, resource)) return;
  throw lacking(principal, resource === everything ? verb : `${verb}:${resource}`);
}

/** Requires one of `verbs` on the resource. @throws OsaError `access_denied`, with the first one in `details.scope` */
export function requireAnyScope(
  principal: Principal,
  verbs: readonly [ScopeVerb, ...ScopeVerb[]],
  resource: string,
): void {
  if (!verbs.some((verb) => grants(principal, verb, resource))) {
    const [first, ...others] = verbs;
    throw lacking(principal, `${first}:${resource}`, ...others.map((verb) => `${verb}:${resource}`));
  }
}

/**
 * Requires one of `verbs` on any resource. A first gate: the use case later checks the actual resource.
 *
 * @throws OsaError `access_denied`, with the first verb in `details.scope`.
 */
export function requireVerb(principal: Principal, verbs: readonly [ScopeVerb, ...ScopeVerb[]]): void {
  if (!verbs.some((verb) => holds(principal, verb, () => true))) throw lacking(principal, ...verbs);
}

/** Whether `bound` grants all that `scope` does: it is equal, the verb alone, or a wider pattern. */
export function covers(bound: string, scope: string): boolean {
  if (bound === scope) return true;
  if (scopeVerbs.some((verb) => verb === bound)) return scope.startsWith(`${bound}:`);
  return bound.endsWith('*') && isScope(bound) && scope.startsWith(bound.slice(0, -1));
}

/** Whether a text is a scope of osa, with a valid pattern. */
export function isScope(text: string): boolean {
  return scopeVerbs.some(
    (verb) => text === verb || (text.startsWith(`${verb}:`) && isPattern(text.slice(verb.length + 1))),
  );
}

function holds(
  { isAdmin, scopes }: Principal,
  verb: ScopeVerb,
  covered: (pattern: string) => boolean,
): boolean {
  if (isAdmin || scopes.has(verb)) return true;
  const prefix = `${verb}:`;
  return [...scopes].some((scope) => {
    const pattern = scope.slice(prefix.length);
    return scope.startsWith(prefix) && isPattern(pattern) && covered(pattern);
  });
}

/** A resource, or a prefix with one `*` at its end. Any other `*` grants nothing, since it could be misread. */
function isPattern(text: string): boolean {
  return /^([^*]+\*?|\*)$/s.test(text);
}

/** Machines ask for scopes; people have them from their roles. */
function lacking({ issuer, subject }: Principal, ...scopes: readonly [string, ...string[]]): OsaError {
  const role = roleFor(scopes[0].split(':', 2).join(':'));
  const next =
    issuer === primaryIssuer
      ? `an operator gives you a role with it: osad roles grant ${subject} ${role}`
      : 'sign a token with it';
  return new OsaError('access_denied', `you need the scope ${scopes.join(' or ')}; ${next}`, {
    details: { scope: scopes[0] },
  });
}

function matches(pattern: string, resource: string): boolean {
  return pattern.endsWith('*') ? resource.startsWith(pattern.slice(0, -1)) : pattern === resource;
}
