import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AuthDaemon, authDaemon } from '../support/auth-daemon.ts';
import { good, now, person } from '../support/auth-support.ts';

/** The part of `/auth/me` that the archive's SDK reads before it deploys. */

let place: AuthDaemon;
beforeAll(async () => {
  place = await authDaemon();
});
afterAll(() => place.daemon.close());

const user = '01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80';
const answerTo = async (token: string) => {
  const { status, text } = await place.whoami(`Bearer ${token}`);
  return { status, ...JSON.parse(text) };
};

test('a person is shown with name and provider, as the token says them', async () => {
  expect(await answerTo(person(user, { name: 'Marie Curie' }))).toMatchObject({
    status: 200,
    id: user,
    display_name: 'Marie Curie',
    provider: 'orcid',
    external_id: '0000-0001',
  });
});

test.each([
  [{ name: undefined }, { display_name: '0000-0001' }],
  [
    { provider: undefined, external_id: undefined },
    { display_name: user, provider: 'primary' },
  ],
  [
    { name: 7, provider: ['x'], external_id: '\u0085' },
    { display_name: user, external_id: user },
  ],
])('claims %j of a person that are missing or cannot be shown refuse nothing', async (changes, expected) => {
  expect(await answerTo(person(user, changes))).toMatchObject({ status: 200, ...expected });
});

test('a machine is its subject, whatever name it claims', async () => {
  const answer = await answerTo(good({ name: 'Marie Curie', provider: 'orcid', external_id: '0000-0001' }));
  expect(answer).toMatchObject({ status: 200, display_name: 'ci', provider: 'm2m', external_id: 'ci' });
});

test('a refusal has the detail.code that the SDK tells apart, beside our own code', async () => {
  const past = now() - 3_600;
  const answers = [
    JSON.parse((await place.daemon.send('GET', '/api/v1/auth/me')).text),
    await answerTo('nonsense'),
    await answerTo(good({ iat: past, exp: past + 60 })),
  ];
  expect(answers.map(({ code, detail }) => [code, detail.code, typeof detail.message])).toEqual([
    ['missing_token', 'missing_token', 'string'],
    ['invalid_token', 'invalid_token', 'string'],
    ['invalid_token', 'token_expired', 'string'],
  ]);
});
