import { isScope, type ScopeVerb, scopeVerbs } from '@osa/core/auth/scope';
import { OsaError } from '@osa/core/error';
import { suggest } from '@osa/core/suggest';

/** `--scope`: one or more, separated by commas or spaces; the option may be repeated. */
export const scopeOption = {
  value: 'SCOPE',
  description: 'a scope to grant, such as hooks:write:find_pockets; separate several with commas',
  repeatable: true,
  parse: (given: string): readonly string[] => {
    const scopes = given.split(/[\s,]+/).filter((scope) => scope !== '');
    if (scopes.length === 0)
      throw new OsaError('usage', 'It must be a scope, such as hooks:write:find_pockets.');
    const odd = scopes.find((scope) => !isScope(scope) || !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope));
    if (odd !== undefined) throw new OsaError('usage', flawOf(odd));
    return scopes;
  },
} as const;

function flawOf(scope: string): string {
  const [subject = '', action = '', ...resource] = scope.split(':');
  const verb = `${subject}:${action}`;
  if (scopeVerbs.includes(verb as ScopeVerb)) {
    return `"${scope}" is not a scope: after ${verb}: comes a name, or its beginning with one * at its end.`;
  }
  const meant =
    suggest(verb, scopeVerbs) ??
    suggest(
      subject,
      scopeVerbs.map((known) => known.split(':')[0] ?? ''),
    );
  const known = scopeVerbs.find((candidate) => candidate === meant || candidate.startsWith(`${meant}:`));
  const hint = known === undefined ? '' : ` (did you mean ${[known, ...resource].join(':')}?)`;
  return `"${scope}" is not a scope${hint}; scopes begin with ${scopeVerbs.join(', ')}.`;
}
