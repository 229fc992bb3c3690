import { clockOffset, diagnose, type TokenFacts, type Trusted } from '@osa/cli/commands/auth/diagnosis';
import { describe, expect, test } from 'vitest';

/** Findings about a token and a server's published facts, as a function of both and of the clocks. */

const now = 1_000_000;
const trusted: Trusted = {
  now: new Date(now * 1_000).toISOString(),
  clock_skew_seconds: 30,
  max_token_seconds: 600,
  exchange_audience: 'https://localhost',
  issuers: [
    {
      issuer: 'ci',
      audience: 'here',
      scope_claim: 'scope',
      scopes: ['hooks:write:seismic_*'],
      keys: [{ kid: 'one', thumbprint: 'one' }],
    },
  ],
};
const [ci] = trusted.issuers;
if (!ci) throw new Error('there is an issuer');
const withIssuer = (changes: Partial<typeof ci>): Trusted => ({
  ...trusted,
  issuers: [{ ...ci, ...changes }],
});

const signedHere: TokenFacts = {
  kind: 'machine',
  isSignedHere: true,
  issuer: 'ci',
  audience: ['here'],
  claims: new Map([['scope', ['hooks:write']]]),
  thumbprint: 'one',
  kid: 'one',
  issuedAt: now,
  expiresAt: now + 300,
  notBefore: undefined,
};
const ready: TokenFacts = { ...signedHere, isSignedHere: false, thumbprint: undefined };

/** The clock here, in seconds ahead of the server's. */
const clocks = (ahead = 0, roundTrip = 0) => ({
  asked: (now + ahead - roundTrip / 2) * 1_000,
  answered: (now + ahead + roundTrip / 2) * 1_000,
});

const wrongIn = (facts: TokenFacts, server = trusted, wanted: readonly string[] = [], ahead = 0) =>
  diagnose(facts, server, { clocks: clocks(ahead), wanted })
    .filter(({ ok }) => !ok)
    .map(({ check }) => check);

describe('the clock', () => {
  test('is compared at the middle of the request', () => {
    expect(clockOffset(trusted, clocks(0, 8))).toBe(0);
    expect(clockOffset(trusted, clocks(-600, 8))).toBe(600);
  });

  test.each([
    [30, []],
    [31, ['clock']],
    [600, ['clock']],
    // Behind, a token only lives less long, until it has ended before it is sent.
    [-60, []],
    [-329, []],
    [-330, ['clock']],
    [-600, ['clock']],
  ])('%i seconds ahead: wrong is %j', (ahead, expected) => {
    expect(wrongIn(signedHere, trusted, [], ahead)).toEqual(expected);
  });

  test('is no matter to a token that was made elsewhere', () => {
    for (const ahead of [-600, 600]) expect(wrongIn(ready, trusted, [], ahead)).toEqual([]);
  });
});

describe('a token that was made elsewhere', () => {
  test.each<[string, Partial<TokenFacts>, string[]]>([
    ['is good', {}, []],
    ['has ended', { issuedAt: now - 330, expiresAt: now - 30 }, ['lifetime']],
    ['has ended within the allowed difference', { issuedAt: now - 329, expiresAt: now - 29 }, []],
    ['was issued in the future', { issuedAt: now + 31, expiresAt: now + 300 }, ['lifetime']],
    ['is not good yet', { notBefore: now + 31 }, ['lifetime']],
    ['lives too long', { expiresAt: now + 601 }, ['lifetime']],
    ['does not say when it was issued', { issuedAt: undefined }, ['lifetime']],
    ['does not say when it ends', { expiresAt: undefined }, ['lifetime']],
    ['names no issuer', { issuer: undefined }, ['issuer']],
    ['is for several audiences', { audience: ['there', 'here'] }, []],
    ['is for nobody', { audience: [] }, ['audience']],
    ['has a kid that one key alone does not need', { kid: 'other' }, []],
  ])('%s', (_, changes, expected) => {
    expect(wrongIn({ ...ready, ...changes })).toEqual(expected);
  });

  test('of a person is judged by the server, except its expiry', () => {
    const person: TokenFacts = {
      ...ready,
      kind: 'person',
      issuer: undefined,
      issuedAt: undefined,
      audience: [],
    };
    expect(wrongIn(person)).toEqual([]);
    expect(wrongIn({ ...person, expiresAt: now + 86_400 })).toEqual([]);
    expect(wrongIn({ ...person, expiresAt: now - 30 })).toEqual(['lifetime']);
  });
});

describe('keys', () => {
  const several = withIssuer({
    keys: [
      { kid: 'one', thumbprint: 'one' },
      { kid: 'second', thumbprint: 'two' },
    ],
  });

  test('are known by thumbprint where we sign, else by kid', () => {
    expect(wrongIn(signedHere, several)).toEqual([]);
    expect(wrongIn({ ...signedHere, thumbprint: 'none', kid: 'none' }, several)).toEqual(['key']);
    expect(wrongIn({ ...ready, kid: 'second' }, several)).toEqual([]);
    expect(wrongIn({ ...ready, kid: 'two' }, several)).toEqual(['key']);
  });

  test('that the server has under another kid are refused where it has several', () => {
    const two: TokenFacts = { ...signedHere, thumbprint: 'two', kid: 'two' };
    expect(wrongIn(two, several)).toEqual(['key']);
    expect(wrongIn(two, withIssuer({ keys: [{ kid: 'second', thumbprint: 'two' }] }))).toEqual([]);
  });
});

describe('scopes', () => {
  test('must be in the token, and within the bounds of its issuer', () => {
    expect(wrongIn(ready, trusted, ['hooks:write:seismic_energy'])).toEqual([]);
    expect(wrongIn(ready, trusted, ['hooks:write:felt_radius'])).toEqual(['scope']);
    expect(wrongIn(ready, trusted, ['runs:read', 'hooks:write:seismic_energy'])).toEqual(['scope']);
    expect(wrongIn(ready, withIssuer({ scopes: null }), ['hooks:write:felt_radius'])).toEqual([]);
  });

  test('are read from the claim that the issuer has them in', () => {
    const server = withIssuer({ scope_claim: 'scp' });
    expect(wrongIn(signedHere, server)).toEqual(['scope']);
    expect(wrongIn(ready, server, ['hooks:write:seismic_energy'])).toEqual(['scope']);
    const elsewhere: TokenFacts = { ...ready, claims: new Map([['scp', ['hooks:write']]]) };
    expect(wrongIn(elsewhere, server, ['hooks:write:seismic_energy'])).toEqual([]);
  });
});
