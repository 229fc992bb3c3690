import { OsaError } from '@osa/core/error';

/** `--scope`: one or more, apart by commas or spaces, and given as often as one likes. */
export const scopeOption = {
  value: 'SCOPE',
  description: 'a scope to grant, such as hooks:write:find_pockets; separate several with commas',
  repeatable: true,
  parse: (given: string): readonly string[] => {
    const scopes = given.split(/[\s,]+/).filter((scope) => scope !== '');
    const odd = scopes.find((scope) => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope));
    if (scopes.length > 0 && odd === undefined) return scopes;
    throw new OsaError('usage', 'It must be a scope, such as hooks:write:find_pockets.');
  },
} as const;
