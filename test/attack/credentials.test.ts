import { generateKeyPairSync } from 'node:crypto';
import { readPublicKeys } from '@osa/core/auth/public-keys';
import { readPrivateKey } from '@osa/core/auth/sign-token';
import { tokenVerifier } from '@osa/core/auth/verify-token';
import { asOsaError } from '@osa/core/error';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { good, now, skewSeconds, trustedForTests } from '../support/auth-support.ts';
import { deployRequest, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { digestOf } from '../support/database/registry-support.ts';

/** Gains of an attacker with few rights, with an old answer, or with a file that holds more than it seems to: none. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  const hook = {
    name: 'secretive',
    config: { password: 'hunter2' },
    feature: { cardinality: 'one', columns: [{ name: 'value', json_type: 'number', required: true }] },
    release: { image: 'ghcr.io/acme/secretive', digest: digestOf('first'), source_ref: 'git:1' },
  };
  await daemon.call('deploy', { json: deployRequest([hook]) });
});
afterAll(() => daemon.close());

const post = async (path: string, scopes: readonly string[], body: unknown, more: object = {}) => {
  const { key, subject = 'somebody' } = more as { key?: string; subject?: string };
  return daemon.send('POST', `/api/v1/${path}`, {
    headers: {
      authorization: await daemon.bearer(scopes, { subject }),
      'content-type': 'application/json',
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    body: JSON.stringify(body),
  });
};

describe('a config that may hold secrets', () => {
  const other = { image: `ghcr.io/evil/reader@${digestOf('evil')}`, source_ref: 'git:2' };
  const write = 'hooks:write:secretive';

  test('is given to other code only by somebody who may read it, or who says it', async () => {
    const { status, problem } = await post('hooks/secretive/releases', [write], other);
    expect([status, problem?.code, problem?.field]).toEqual([403, 'access_denied', 'config']);
    expect(problem?.details).toEqual({ scope: 'runs:read:secretive' });
    expect(JSON.stringify(problem)).not.toContain('hunter2');
    expect((await post('hooks/secretive/releases', [write, 'runs:read:another'], other)).status).toBe(403);
    expect((await post('hooks/secretive/releases', [write], { ...other, config: {} })).status).toBe(201);
    expect((await post('hooks/secretive/rollback', [write], { reason: 'back' })).status).toBe(200);
    const read = [write, 'runs:read:secretive'];
    const third = { image: `ghcr.io/acme/reader@${digestOf('third')}`, source_ref: 'git:3' };
    expect((await post('hooks/secretive/releases', read, { ...third, live: false })).status).toBe(201);
  });

  test('stays with its own code for somebody who may only write', async () => {
    const same = { limits: { memory: '2g' } };
    expect((await post('hooks/secretive/releases', [write], same)).status).toBe(201);
    const known = { image: `ghcr.io/acme/secretive@${digestOf('first')}` };
    expect((await post('hooks/secretive/releases', [write], known)).status).toBe(200);
  });
});

test('an answer that is stored for an Idempotency-Key is given to nobody who may not do it now', async () => {
  const body = { config: { password: 'new' } };
  const release = (scopes: readonly string[]) =>
    post('hooks/secretive/releases', scopes, body, { key: 'release-1' });
  const first = await release(['hooks:write:secretive']);
  expect(first.status).toBe(201);
  expect(JSON.parse((await release(['hooks:write:secretive'])).text)).toEqual(JSON.parse(first.text));

  // The gate of a deploy takes any convention; which one it is, only the use case knows.
  const deploy = (scopes: readonly string[], key: string) =>
    post('conventions', scopes, { ...deployRequest(), slug: 'replayed' }, { key });
  const deployed = await deploy(['conventions:write:replayed'], 'deploy-1');
  expect(deployed.status).toBe(201);
  expect((await deploy(['conventions:write:mine'], 'deploy-1')).problem?.details).toMatchObject({
    scope: 'conventions:write:replayed',
  });
  const again = await deploy(['conventions:write'], 'deploy-1');
  expect(JSON.parse(again.text)).toEqual(JSON.parse(deployed.text));

  // A deploy that mints for another's hook took a right to that hook.
  const another = {
    ...deployRequest([
      {
        name: 'secretive',
        feature: { cardinality: 'one', columns: [{ name: 'value', json_type: 'number', required: true }] },
        release: { image: 'ghcr.io/acme/secretive', digest: digestOf('fourth'), source_ref: 'git:4' },
      },
    ]),
    slug: 'borrower',
  };
  const borrow = (scopes: readonly string[]) => post('conventions', scopes, another, { key: 'deploy-2' });
  expect((await borrow(['conventions:write:borrower', 'hooks:write:secretive'])).status).toBe(201);
  const refused = await borrow(['conventions:write:borrower']);
  expect([refused.status, refused.problem?.details?.scope]).toEqual([403, 'hooks:write:secretive']);
});

test('refusals of somebody without rights do not fill the trail, which says how many there were', async () => {
  const wanted = Array.from({ length: 300 }, (_, index) => `hooks/any_${index}/rollback`);
  for (const path of wanted) {
    expect((await post(path, ['runs:read'], {}, { subject: 'flood' })).status).toBe(403);
  }
  const { sql } = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  const events = await sql<{ count: number | null }[]>`
    select (e.payload ->> 'count')::integer as count from events e
    join actors a on a.id = (e.payload ->> 'actor')::bigint
    where e.type = 'request.denied' and a.subject = 'flood' order by e.id`;
  expect(events.map(({ count }) => count)).toEqual([...Array(8).fill(null), 16, 32, 64, 128, 256]);
  const [total] = await sql`
    select verb, count::integer from refusals r join actors a on a.id = r.actor where a.subject = 'flood'`;
  expect(total).toEqual({ verb: 'hooks:write', count: 300 });
});

test('a token that was seen to be over stays so when the clock goes back', async () => {
  let time = now();
  const verifier = tokenVerifier(await trustedForTests(), () => time * 1_000);
  const verified = good({ exp: time + 60 });
  const unseen = good({ exp: time + 60, jti: 'unseen' });
  expect(verifier.verify(verified).subject).toBe('ci');
  time += 60 + skewSeconds;
  for (const token of [verified, unseen]) expect(() => verifier.verify(token)).toThrow('has expired');
  time -= 60 + skewSeconds;
  for (const token of [verified, unseen]) expect(() => verifier.verify(token)).toThrow('has expired');
  expect(verifier.verify(good({ exp: time + 60, jti: 'another' })).subject).toBe('ci');
});

describe('a key file', () => {
  const pair = () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    return {
      privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      privateJwk: JSON.stringify(privateKey.export({ format: 'jwk' })),
      publicJwk: JSON.stringify(publicKey.export({ format: 'jwk' })),
    };
  };
  const [a, b] = [pair(), pair()];
  const refusalOf = async (reading: Promise<unknown>) => {
    const error = await reading.then(
      () => undefined,
      (caught: unknown) => asOsaError(caught),
    );
    for (const secret of [a.privatePem.split('\n')[1], b.privatePem.split('\n')[1], a.privateJwk]) {
      expect(error?.message).not.toContain(secret);
    }
    return error?.code;
  };

  test.each([
    ['as PEM', a.privatePem],
    ['as PEM with lines of Windows and space around it', `\n ${a.privatePem.replaceAll('\n', '\r\n')}\n\n`],
    ['as JWK', ` ${a.privateJwk}\n`],
  ])('that holds one private key %s is read', async (_, text) => {
    expect((await readPrivateKey(text, 'KEY')).key.asymmetricKeyType).toBe('ed25519');
  });

  const doubled = a.privateJwk.replace('{', `{"d":${JSON.stringify(JSON.parse(b.privateJwk).d)},`);
  test.each([
    ['two PEM keys', a.privatePem + b.privatePem],
    ['a public key before it', a.publicPem + a.privatePem],
    ['text before it', `password: hunter2\n${a.privatePem}`],
    ['text behind it', `${a.privatePem}# a note\n`],
    ['text within it', a.privatePem.replace('\n', '\nProc-Type: 4,ENCRYPTED\n')],
    ['two JWKs', `${a.privateJwk}\n${b.privateJwk}`],
    ['a name twice', doubled],
    ['a name twice, once with an escape', doubled.replace('"d"', '"\\u0064"')],
    ['a PEM behind a JWK', `${a.privateJwk}\n${b.privatePem}`],
  ])('of a private key with %s is refused, and nothing of it is told', async (_, text) => {
    expect(await refusalOf(readPrivateKey(text, 'KEY'))).toBe('credentials');
  });

  test('of public keys may hold several for a rotation, and nothing else', async () => {
    expect(await readPublicKeys(a.publicPem + b.publicPem, 'KEYS')).toHaveLength(2);
    expect(await readPublicKeys(`{"keys":[${a.publicJwk},${b.publicJwk}]}`, 'KEYS')).toHaveLength(2);
    for (const text of [
      `note\n${a.publicPem}`,
      `${a.publicPem}note`,
      `${a.publicPem}note\n${b.publicPem}`,
      `{"keys":[${a.publicJwk}],"keys":[${b.publicJwk}]}`,
      `${a.publicJwk}${b.publicJwk}`,
      a.publicPem + b.privatePem,
    ]) {
      expect([text, await refusalOf(readPublicKeys(text, 'KEYS'))]).toEqual([text, 'credentials']);
    }
  });
});
