import { covers, grants, isScope, requireVerb } from '@osa/core/auth/scope';
import { describe, expect, test } from 'vitest';

/** A scope has at most one `*`, at its end. */

const holder = (...scopes: string[]) => ({ issuer: 'ci', subject: 'robot', scopes: new Set(scopes) });

describe.each(['**', 'a*b', '*a', 'a**', '*a*', ''])('the pattern %j', (pattern) => {
  const scope = `hooks:write:${pattern}`;

  test('is not a scope', () => {
    expect(isScope(scope)).toBe(false);
  });

  test('grants nothing, not even a name with the same text', () => {
    for (const name of ['a', 'ab', 'a*b', '*', '**', pattern]) {
      expect(grants(holder(scope), 'hooks:write', name)).toBe(false);
    }
    expect(() => requireVerb(holder(scope), ['hooks:write'])).toThrow(
      expect.objectContaining({ code: 'access_denied' }),
    );
  });

  test('covers no valid scope as the limit of an issuer', () => {
    expect(covers(scope, 'hooks:write:ab')).toBe(false);
    expect(covers(scope, 'hooks:write:*')).toBe(false);
  });
});

test.each(['a', 'a*', '*'])('the pattern %j grants the name a', (pattern) => {
  expect(isScope(`hooks:write:${pattern}`)).toBe(true);
  expect(grants(holder(`hooks:write:${pattern}`), 'hooks:write', 'a')).toBe(true);
});
