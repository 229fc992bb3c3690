import { routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { openApi } from '@osa/daemon/http/openapi';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { everything, type TestDaemon, testDaemon } from '../support/daemon-support.ts';

/** The OpenAPI document lists `If-Match` for the routes that read it, and for no others. */

let daemon: TestDaemon;
let authorization: string;
beforeAll(async () => {
  daemon = await testDaemon();
  authorization = await daemon.bearer([...everything, 'depositions:write', 'depositions:review'], {
    lifetimeSeconds: 600,
  });
});
afterAll(() => daemon.close());

const { paths } = openApi({ version: '1', reads: 'public' }) as unknown as {
  readonly paths: Record<
    string,
    Record<string, { readonly parameters: readonly { readonly name: string }[] }>
  >;
};
function isListed({ path, method }: Route): boolean {
  const listed = paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
  return listed?.parameters.some(({ name }) => name === 'If-Match') ?? false;
}

const bodies: Record<string, unknown> = {
  activate: { version: 1 },
  rejectDeposition: { reason: 'no unit' },
  endDeposition: { reason: 'left' },
  editDepositionFiles: { files: [] },
};
const form = [
  '--x',
  'content-disposition: form-data; name="file"; filename="a.cif"',
  '',
  'data_a',
  '--x--',
  '',
].join('\r\n');
const changing = (Object.entries(routes) as [string, Route][]).filter(
  ([, { path, method }]) =>
    method !== 'GET' && /^\/api\/v1\/(?:depositions\/:id|hooks\/:name\/(?:live|rollback))/.test(path),
);

test.each(changing)('%s reads If-Match as listed', async (name, route) => {
  const path = route.path.replace(':id', crypto.randomUUID()).replace(/:\w+/g, 'tests');
  const isForm = route.body === 'multipart/form-data';
  const body = isForm ? form : JSON.stringify(bodies[name] ?? {});
  const type = isForm ? 'multipart/form-data; boundary=x' : 'application/json';
  const headers = { authorization, 'if-match': '"none"', ...(route.body && { 'content-type': type }) };
  const { problem } = await daemon.send(route.method, path, { headers, ...(route.body && { body }) });
  expect(problem?.field === 'If-Match').toBe(isListed(route));
});

test('there are such routes', () => expect(changing.filter(([, route]) => isListed(route)).length).toBe(12));

test('the routes of files list what they read and answer', () => {
  const files = (Object.values(routes) as Route[]).filter(({ response }) => response === 'file');
  expect(files).toHaveLength(2);
  for (const { path } of files) {
    const { get } = paths[path.replace(/:(\w+)/g, '{$1}')] as Record<string, unknown>;
    const { parameters, responses } = get as { parameters: { name: string }[]; responses: object };
    expect(parameters.map((one) => one.name)).toEqual(
      expect.arrayContaining(['Range', 'If-Range', 'If-None-Match', 'If-Match']),
    );
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(['200', '206', '304', '412', '416']));
  }
});
