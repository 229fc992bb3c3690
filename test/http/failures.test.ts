import { type RouteName, routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { type ErrorCode, errorCodes, OsaError } from '@osa/core/error';
import { problemOf, statuses } from '@osa/daemon/http/errors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deployRequest, everything, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { cuttingProxy } from '../support/database/postgres-support.ts';
import { declaration } from '../support/database/registry-support.ts';

/** An answer about a fault shows nothing of us: no statement, no path, no host, no stack, no secret. */

const idleWorker = { name: 'none', isInherited: false, concurrency: 0, perHook: 1, leaseSeconds: 30 };
const inside =
  /\b(select|insert|update|relation|column|schema "|pgsql|postgres)\b|osa_test|\/(tmp|work|var|home)\b|\.ts\b|\n\s+at /i;

describe('http-27: an error', () => {
  test.each(Object.keys(errorCodes) as ErrorCode[])('%s of ours is answered without its facts', (code) => {
    const cause = new Error('select secret from "/var/lib/osa" at postgres://osa:hunter2@db');
    const error = new OsaError(code, `${cause.message}`, { details: { path: '/var/lib' }, cause });
    const { status, body, isOurs } = problemOf(error);
    expect(status).toBe(statuses[code]);
    // A busy server says so, and that is nobody's fault.
    expect(isOurs).toBe(status >= 500 && code !== 'busy');
    if (isOurs) expect(JSON.stringify(body)).not.toMatch(/hunter2|var.lib|select/);
    // The answer comes from the message, never from the cause.
    else expect(Object.keys(body)).not.toContain('cause');
  });

  test('of any other kind is answered without its facts', () => {
    for (const error of [new TypeError('hunter2'), 'hunter2', { message: 'hunter2' }, undefined]) {
      const { status, body } = problemOf(error);
      expect([status, body.code]).toEqual([500, 'internal']);
      expect(JSON.stringify(body)).not.toContain('hunter2');
    }
  });
});

describe('http-27: where every statement fails', () => {
  let broken: TestDaemon;
  let headers: Record<string, string>;
  const unheard: unknown[] = [];
  const onUnheard = (reason: unknown) => void unheard.push(reason);
  beforeAll(async () => {
    process.on('unhandledRejection', onUnheard);
    broken = await testDaemon({ worker: idleWorker });
    headers = { authorization: await broken.bearer(everything) };
    const owner = broken.database.open(broken.database.ownerUrl, { max: 1 });
    await owner.sql.unsafe('alter schema public rename to elsewhere');
  });
  afterAll(async () => {
    await broken.close();
    process.off('unhandledRejection', onUnheard);
  });

  test.each(Object.entries(routes) as [RouteName, Route][])('%s says nothing of us', async (_name, route) => {
    const names: Readonly<Record<string, string>> = {
      ':id': crypto.randomUUID(),
      ':sha256': '0'.repeat(64),
      ':srn': 'urn:osa:localhost:rec:x@1',
      ':version': '1',
    };
    const path = route.path.replaceAll(/:\w+/g, (name) => names[name] ?? 'tests');
    const type = typeof route.body === 'object' ? 'application/json' : route.body;
    const bodies = [{}, deployRequest([declaration({ name: 'tests' })]), { version: 1 }, { reason: 'x' }];
    for (const body of route.body === undefined ? [undefined] : bodies.map((json) => JSON.stringify(json))) {
      const { status, text, problem } = await broken.send(route.method, path, {
        headers: { ...headers, ...(type !== undefined && { 'content-type': type }) },
        ...(body !== undefined && { body }),
      });
      if (status < 400) continue;
      expect(text).not.toMatch(inside);
      if (status >= 500 && problem) {
        const { request_id, ...said } = problem;
        expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
        expect(Object.keys(said).sort()).toEqual(['code', 'detail', 'message', 'status', 'title', 'type']);
      }
    }
  });

  test('and the log says what it was', () => {
    const failed = broken.log.filter((line) => line.includes('request failed'));
    const routesOf = new Set(failed.map((line) => JSON.parse(line).route));
    expect(routesOf.size).toBeGreaterThan(20);
    expect(failed.join('')).toContain('42P01');
  });

  test('and none fails where nobody hears of it, which would end the daemon', () => {
    expect(unheard).toEqual([]);
  });
});

describe('http-27: where the database is gone', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await testDaemon({ worker: idleWorker });
  });
  afterAll(() => daemon.close());

  test('an answer says that we cannot answer at the moment', async () => {
    const proxy = await cuttingProxy(daemon.database.appUrl);
    const alone = await testDaemon({ database: { url: proxy.endpoint, connections: 2 } });
    try {
      await proxy.close();
      const { status, problem, headers, text } = await alone.send('GET', '/api/v1/hooks');
      expect([status, problem?.code, headers['retry-after']]).toEqual([503, 'unavailable', '1']);
      expect(text).not.toMatch(/PGSQL|E[A-Z]{4}|osa_test|\/tmp/);
      expect((await alone.send('GET', '/health')).status).toBe(200);
      const ready = await alone.send('GET', '/ready');
      expect(ready.status).toBe(503);
      expect(JSON.parse(ready.text)).toMatchObject({
        status: 'degraded',
        components: { db: { status: 'error' } },
      });
      await until(
        'the worker to notice',
        async () =>
          JSON.parse((await alone.send('GET', '/ready')).text).components.workers.status === 'error',
      );
      const told = () => alone.log.filter((line) => line.includes('cannot claim batches')).length;
      expect(told()).toBe(1);
    } finally {
      await alone.close();
    }
  });
});
