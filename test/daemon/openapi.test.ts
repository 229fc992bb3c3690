import { routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { openApi } from '@osa/daemon/http/openapi';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';

const document = openApi({ version: '1.2.3', reads: 'public' });
const paths = document.paths as Record<string, Record<string, Record<string, unknown>>>;

test('is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate(JSON.parse(JSON.stringify(document)));
  expect(result).toEqual({ valid: true });
  expect(document.openapi).toBe('3.1.0');
});

test('refers to nothing that is not there', () => {
  const text = JSON.stringify(document);
  const names = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, target = '']) => target);
  const { schemas } = document.components as { schemas: object };
  const missing = names.filter(
    (target) => !Object.hasOwn(schemas, target.replace('#/components/schemas/', '')),
  );
  expect(names.length).toBeGreaterThan(50);
  expect(missing).toEqual([]);
  expect(text).not.toContain('$defs');
});

test.each(Object.entries<Route>(routes))(
  'lists %s with its gate, its answers and its refusals',
  (name, route) => {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    const operation = paths[path]?.[route.method.toLowerCase()];
    expect(operation).toMatchObject({ operationId: name, summary: route.summary });
    const { gate } = route;
    expect(operation?.['x-osa-gate']).toMatchObject(
      gate.kind === 'scope' ? { kind: 'scope', scope: gate.verb } : { kind: gate.kind },
    );
    expect(operation?.security).toEqual(
      {
        public: [],
        authenticated: [{ token: [] }],
        read: [{}, { token: [] }],
        scope:
          gate.kind !== 'scope'
            ? []
            : [gate.verb, ...(gate.orVerb ? [gate.orVerb] : [])].map((verb) => ({ token: [verb] })),
      }[gate.kind],
    );
    expect(operation?.responses).toHaveProperty([route.status]);
    const problem = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
    expect(operation?.responses).toMatchObject({ '500': { content: problem } });
    const comeBack = { headers: { 'Retry-After': {} }, content: problem };
    if (gate.kind === 'public' && !route.takesToken && !route.limited && route.response !== 'html')
      expect(operation?.responses).not.toHaveProperty('429');
    else expect(operation?.responses).toMatchObject({ '429': comeBack, '503': comeBack });
    const responses: Readonly<Record<string, unknown>> = { ...(operation?.responses as object) };
    const success = responses[route.status];
    const { content: forms } = success as { content: object };
    expect(Object.hasOwn(forms, 'text/event-stream')).toBe(route.streamedAs !== undefined);
    if (route.etag) expect(success).toMatchObject({ headers: { ETag: { description: route.etag } } });
    else expect(success).not.toHaveProperty('headers');
    if (route.troubleStatus) {
      const { content } = success as { content: object };
      expect(operation?.responses).toMatchObject({ [route.troubleStatus[0]]: { content } });
    }
    if (gate.kind === 'scope')
      expect(operation?.responses).toMatchObject({ '401': { content: problem }, '403': {} });
  },
);

test('says so when reads need a token', () => {
  const closed = openApi({ version: '1', reads: 'authenticated' });
  expect(closed.paths).toMatchObject({ '/api/v1/hooks': { get: { security: [{ token: [] }] } } });
});
