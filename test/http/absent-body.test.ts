import { type RouteName, routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import {
  deployRequest,
  everything,
  rawConnection,
  type TestDaemon,
  testDaemon,
} from '../support/daemon-support.ts';

/** Requests without a body, on routes whose body has no member that is required, and on the others. */

let daemon: TestDaemon;
let authorization: string;
const scopes = [...everything, 'publishers:write', 'recalls:write'];
beforeAll(async () => {
  daemon = await testDaemon();
  authorization = await daemon.bearer(scopes, {
    lifetimeSeconds: 600,
  });
  await daemon.call('deploy', { json: deployRequest() });
});
afterAll(() => daemon.close());

const send = (path: string, headers: Record<string, string> = {}, body?: string) =>
  daemon.send('POST', path, { headers: { authorization, ...headers }, ...(body !== undefined && { body }) });

async function draft(): Promise<string> {
  const body = JSON.stringify({ convention_id: 'tests', metadata: { value: 1 } });
  const { text } = await send('/api/v1/depositions', { 'content-type': 'application/json' }, body);
  return `/api/v1/depositions/${JSON.parse(text).id}`;
}

const ofJson = (Object.entries(routes) as [RouteName, Route][]).filter(
  ([, { body }]) => typeof body === 'object',
);
const takesNone = ({ body }: Route) => body instanceof z.ZodObject && body.safeParse({}).success;
const pathOf = ({ path }: Route) =>
  path.replaceAll(/:\w+/g, (name) => (name === ':id' ? crypto.randomUUID() : 'tests'));

test.each(ofJson.filter(([, route]) => takesNone(route)))(
  '%s takes an absent body as {}',
  async (_name, route) => {
    const path = pathOf(route);
    const headers = { authorization };
    const absent = await daemon.send(route.method, path, { headers });
    const json = { ...headers, 'content-type': 'application/json' };
    const empty = await daemon.send(route.method, path, { headers: json, body: '{}' });
    expect([absent.status, absent.problem?.code]).toEqual([empty.status, empty.problem?.code]);
    expect(absent.status).not.toBe(415);
  },
);

test.each(ofJson.filter(([, route]) => !takesNone(route)))('%s wants a body', async (_name, route) => {
  const { status } = await daemon.send(route.method, pathOf(route), { headers: { authorization } });
  expect(status).toBe(415);
});

test('a deposition is submitted and withdrawn without a body', async () => {
  const path = await draft();
  expect(await send(`${path}/submit`)).toMatchObject({ status: 200 });
  expect(await send(`${path}/withdraw`)).toMatchObject({ status: 200 });
});

test('a body may be absent without a Content-Length, and not in chunks', async () => {
  const { socket, received, closed } = await rawConnection(Number(new URL(daemon.url).port));
  const head = `POST ${await draft()}/submit HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n`;
  socket.write(`${head}Connection: close\r\n\r\n`);
  await closed;
  expect(received()).toMatch(/^HTTP\/1\.1 200 /);
  const chunked = await rawConnection(Number(new URL(daemon.url).port));
  chunked.socket.write(`${head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
  await chunked.closed;
  expect(chunked.received()).toMatch(/^HTTP\/1\.1 415 /);
});

test('a body without a type, and an absent one of another type, are refused', async () => {
  const path = await draft();
  expect(await send(`${path}/submit`, {}, '{}')).toMatchObject({ status: 415 });
  expect(await send(`${path}/submit`, { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
});

test('an absent body and {} are one request to a key of repetition', async () => {
  const path = await draft();
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const first = await send(`${path}/submit`, headers);
  const again = await send(`${path}/submit`, { ...headers, 'content-type': 'application/json' }, '{}');
  expect([first.status, again.status, JSON.parse(again.text)]).toEqual([200, 200, JSON.parse(first.text)]);
});

test('the description of the API says which bodies may be absent', async () => {
  const { text } = await daemon.send('GET', '/openapi.json', {});
  const { paths } = JSON.parse(text);
  expect(paths['/api/v1/depositions/{id}/submit'].post.requestBody.required).toBe(false);
  expect(paths['/api/v1/depositions/{id}/reject'].post.requestBody.required).toBe(true);
});
