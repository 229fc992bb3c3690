import { failureRateLimit } from '@osa/daemon/http/failure-rate-limit';
import { isNetwork, networkOf } from '@osa/daemon/http/network';
import { afterEach, describe, expect, test } from 'vitest';
import { type AuthDaemon, authDaemon } from '../support/auth-daemon.ts';
import { good } from '../support/auth-support.ts';
import { until } from '../support/database/database.ts';

/** How often somebody may fail to authenticate, who that somebody is, and what is told of it. */

describe('a network', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:C000:0207', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
    ['192.0.2.7:1234', 'unknown'],
    ['x'.repeat(10_000), 'unknown'],
    ['', 'unknown'],
  ])('of %j is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  test.each(['10.0.0.1', '10.0.0.0/8', '::1', '2001:db8::/32'])('may be named as %s', (text) => {
    expect(isNetwork(text)).toBe(true);
  });

  test.each([
    '',
    '10.0.0',
    '10.0.0.0/0',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '::/129',
    'loopback',
    'fe80::1%lo',
    '/8',
  ])('may not be named as %j', (text) => {
    expect(isNetwork(text)).toBe(false);
  });
});

describe('failures', () => {
  test('are allowed in a burst, then one a second', () => {
    let clock = 0;
    const limit = failureRateLimit(3, () => clock);
    expect([1, 2, 3, 4].map(() => limit.count('a'))).toEqual([undefined, undefined, undefined, 1]);
    expect(limit.count('b')).toBeUndefined();
    clock = 1_000;
    expect([1, 2].map(() => limit.count('a'))).toEqual([undefined, 1]);
  });

  test('of more networks than are remembered share one bucket, and forget no other', () => {
    let clock = 0;
    const limit = failureRateLimit(5, () => clock);
    const spent = () => Array.from({ length: 5 }, () => limit.count('first')).at(-1);
    expect(spent()).toBeUndefined();
    expect(limit.count('first')).toBe(1);
    const answers = Array.from({ length: 20_000 }, (_, n) => limit.count(`network ${n}`));
    expect(answers.slice(0, 9_999).every((wait) => wait === undefined)).toBe(true);
    expect(answers.slice(-9_000).every((wait) => wait === 1)).toBe(true);
    expect(limit.count('first')).toBe(1);
    clock = 10_000;
    expect(limit.count('a newcomer, when all have been forgotten')).toBeUndefined();
  });
});

describe('a daemon', () => {
  let place: AuthDaemon;
  afterEach(() => place.daemon.close());
  const failing = async (forwarded?: string) => {
    const headers = {
      authorization: `Bearer ${good({ aud: 'other' })}`,
      ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }),
    };
    return (await place.daemon.send('GET', '/api/v1/auth/me', { headers })).status;
  };
  /** At once, so that none of them may fail again meanwhile. */
  const together = async (...forwarded: string[]) => (await Promise.all(forwarded.map(failing))).sort();
  const told = () => place.daemon.log.map((line) => JSON.parse(line));

  test('counts the requests that it limits, and logs them in one line', async () => {
    place = await authDaemon({ http: { failedAuthentications: 2 } });
    const statuses = await Promise.all(Array.from({ length: 12 }, () => failing()));
    const limited = statuses.filter((status) => status === 429).length;
    expect(limited).toBeGreaterThan(5);
    const summary = await until('the summary', async () =>
      told().find(({ msg }) => msg === 'refused requests from networks that failed too often'),
    );
    expect(summary).toMatchObject({ level: 'warn', count: limited, networks: ['127.0.0.1'] });
    expect(told().filter(({ reason }) => reason === 'it is for another audience')).toHaveLength(12 - limited);
    const { text } = await place.daemon.send('GET', '/metrics');
    expect(text).toContain(`osa_tokens_refused_total{reason="rate_limited"} ${limited}`);
  });

  test('tells clients behind a proxy that it trusts apart, and no others', async () => {
    place = await authDaemon({ http: { failedAuthentications: 1 }, trustedProxies: ['127.0.0.0/8'] });
    // The last one that no trusted proxy vouches for counts; the rest is what the client says of itself.
    expect(await together('192.0.2.1', '192.0.2.2, 192.0.2.1')).toEqual([401, 429]);
    expect(await failing('192.0.2.2')).toBe(401);
    expect(await together('2001:db8::1, 127.0.0.5', '2001:db8::2')).toEqual([401, 429]);
    expect(await failing(`not an address ${'x'.repeat(5_000)}`)).toBe(401);
    expect(told().map(({ address }) => address)).toEqual(
      expect.arrayContaining(['192.0.2.1', '192.0.2.2', '2001:db8::1', 'unknown']),
    );
  });

  test('believes no X-Forwarded-For without a trusted proxy', async () => {
    place = await authDaemon({ http: { failedAuthentications: 1 } });
    expect(await together('192.0.2.1', '192.0.2.2')).toEqual([401, 429]);
  });
});
