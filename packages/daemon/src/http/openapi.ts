import { routes } from '@osa/core/api';
import { Problem } from '@osa/core/api/problem';
import { type Gate, mayLackBody, type Route } from '@osa/core/api/route';
import { formats } from '@osa/core/data/format/index';
import { z } from 'zod';

type Json = { readonly [key: string]: unknown };

/** The OpenAPI 3.1 document of the wire contract, each route with its gate as `x-osa-gate`. */
export function openApi(options: {
  readonly version: string;
  readonly reads: 'public' | 'authenticated';
}): Json & {
  readonly openapi: string;
} {
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, Record<string, unknown>> = {};
  const add = (name: string, schema: z.ZodType, io: 'input' | 'output') =>
    addSchema(schemas, name, schema, io);
  const problem = add('Problem', Problem, 'output');
  for (const [name, route] of Object.entries<Route>(routes)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = {
      operationId: name,
      summary: route.summary,
      security: securityOf(route.gate, options.reads),
      'x-osa-gate': gateOf(route.gate),
      parameters: [
        ...parametersOf('path', route.params),
        ...parametersOf('query', route.query),
        ...headersOf(route),
      ],
      ...requestOf(name, route, add),
      responses: responsesOf(name, route, { add, problem }),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'osa',
      version: options.version,
      summary: 'Deploy, release, roll back and trace the code behind every row of a scientific archive.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'A JWT signed with Ed25519',
        },
      },
    },
  };
}

type AddSchema = (name: string, schema: z.ZodType, io: 'input' | 'output') => Json;

/** Adds a schema and its definitions to the components: in this document, `#/$defs` would point to nothing. */
function addSchema(
  schemas: Record<string, unknown>,
  name: string,
  schema: z.ZodType,
  io: 'input' | 'output',
): Json {
  const text = JSON.stringify(z.toJSONSchema(schema, { io }));
  const own = text
    .replaceAll('"$ref":"#/$defs/', `"$ref":"#/components/schemas/${name}`)
    .replaceAll('"$ref":"#"', `"$ref":"#/components/schemas/${name}"`);
  const { $defs = {}, $schema: _, ...rest } = JSON.parse(own) as { $defs?: Json; $schema?: string };
  schemas[name] = rest;
  for (const [key, definition] of Object.entries($defs)) schemas[`${name}${key}`] = definition;
  return { $ref: `#/components/schemas/${name}` };
}

function gateOf(gate: Gate): Json {
  if (gate.kind !== 'scope') return { kind: gate.kind };
  const { verb, orVerb, resourceParam } = gate;
  return {
    kind: 'scope',
    scope: verb,
    ...(orVerb && { or_scope: orVerb }),
    ...(resourceParam && { resource: resourceParam }),
  };
}

function securityOf(gate: Gate, reads: 'public' | 'authenticated'): Json[] {
  if (gate.kind === 'public') return [];
  if (gate.kind === 'scope') {
    return [gate.verb, ...(gate.orVerb ? [gate.orVerb] : [])].map((verb) => ({ token: [verb] }));
  }
  return gate.kind === 'read' && reads === 'public' ? [{}, { token: [] }] : [{ token: [] }];
}

function parametersOf(place: 'path' | 'query', schema: z.ZodObject | undefined): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' });
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }));
}

function headersOf(route: Route): Json[] {
  const header = (title: string, description: string, pattern: string) => ({
    name: title,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string', pattern },
  });
  const key = header(
    'Idempotency-Key',
    'Repeating the same request with the same key within a day returns the first answer',
    '^[!-~]{1,200}$',
  );
  const match = header('If-Match', 'The ETag of the hook as the caller last saw it', '^"[1-9][0-9]*"$');
  const last = header(
    'Last-Event-ID',
    'The id of the last event that a reader of the stream has',
    '^[0-9]{1,15}$',
  );
  const tag = (description: string) => header('If-Match', description, '^(?:\\*|"[1-9][0-9]{0,9}")$');
  return [
    ...(route.idempotent ? [key] : []),
    ...(expectsPointer(route) ? [match] : []),
    ...(route.ifMatch ? [tag(route.ifMatch)] : []),
    ...(route.response === 'file'
      ? headersOfFile.map(([title, about, form]) => header(title, about, form))
      : []),
    ...(route.streamedAs ? [last] : []),
  ];
}

const tags = '^(?:\\*|(?:W/)?".*")$';
const headersOfFile = [
  ['Range', 'The part that is wanted, such as bytes=0-1023', '^bytes=(?:[0-9]+-[0-9]*|-[0-9]+)$'],
  ['If-Range', 'The ETag of which the part is wanted; the whole file is sent if it has another', '^"[^"]*"$'],
  ['If-None-Match', 'ETags that the caller has', tags],
  ['If-Match', 'ETags of which one must be that of the file', tags],
] as const;

/** Whether the caller may name the live release that it expects. */
function expectsPointer({ body }: Route): boolean {
  return body instanceof z.ZodObject && 'expected_live_seq' in body.shape;
}

function requestOf(name: string, route: Route, add: AddSchema): Json {
  if (route.body === undefined) return {};
  const content =
    typeof route.body === 'string'
      ? { [route.body]: { schema: route.body === 'multipart/form-data' ? formOfFile : {} } }
      : { 'application/json': { schema: add(`${name}Request`, route.body, 'input') } };
  return { requestBody: { required: !mayLackBody(route), content } };
}

const formOfFile: Json = {
  type: 'object',
  required: ['file'],
  properties: { file: { type: 'string', contentMediaType: 'application/octet-stream' } },
};

const contents: Readonly<
  Record<'text' | 'html' | 'markdown' | 'bytes' | 'archive' | 'file' | 'table', Json>
> = {
  text: { 'text/plain': { schema: { type: 'string' } } },
  html: { 'text/html': { schema: { type: 'string' } } },
  markdown: { 'text/markdown': { schema: { type: 'string' } } },
  bytes: { 'text/plain': { schema: { type: 'string' } } },
  archive: { 'application/octet-stream': { schema: {} } },
  file: { 'application/octet-stream': { schema: {} } },
  table: Object.fromEntries(
    Object.values(formats).map(({ mediaType }) => [mediaType.split(';', 1)[0], { schema: {} }]),
  ),
};

/** The responses by status: the route's own, and a problem for each other status. */
function responsesOf(
  name: string,
  route: Route,
  { add, problem }: { readonly add: AddSchema; readonly problem: Json },
): Json {
  const content =
    typeof route.response === 'string'
      ? contents[route.response]
      : { 'application/json': { schema: add(`${name}Response`, route.response, 'output') } };
  const stream = route.streamedAs && { [route.streamedAs]: { schema: { type: 'string' } } };
  const success: Json = {
    description: 'Done',
    content: { ...content, ...stream },
    ...(route.etag !== undefined && {
      headers: { ETag: { description: route.etag, schema: { type: 'string' } } },
    }),
  };
  const refusals = refusalsOf(route).map(([status, description]) => [
    status,
    {
      description,
      ...(comeBack.includes(status) && { headers: { 'Retry-After': retryAfter } }),
      content: { 'application/problem+json': { schema: problem } },
    },
  ]);
  const [troubleStatus, trouble] = route.troubleStatus ?? [];
  return {
    [route.status]: success,
    ...(route.response === 'file' && {
      206: { ...success, description: 'The part that `Range` names' },
      304: { description: 'The caller has it: `If-None-Match` names its ETag' },
    }),
    ...(route.createdStatus && { [route.createdStatus]: { ...success, description: 'Created' } }),
    ...Object.fromEntries(refusals),
    ...(troubleStatus && { [troubleStatus]: { ...success, description: trouble } }),
  };
}

/** Statuses with a `Retry-After`. */
const comeBack = ['429', '503'];
const retryAfter = { description: 'Seconds to wait', schema: { type: 'integer' } };

/** Whether the query names a thing that must be there. */
function filters({ query }: Route): boolean {
  return query !== undefined && 'convention' in query.shape;
}

function refusalsOf(route: Route): [string, string][] {
  const isPage = route.response === 'html';
  const readsToken = route.gate.kind !== 'public' || route.takesToken === true || isPage;
  const all: [string, string, boolean][] = [
    ['400', 'The request cannot be read', true],
    ['401', 'A token is needed, or the token is not accepted', readsToken],
    [
      '403',
      route.takesToken ? 'The token opens nothing here' : 'The token lacks a scope',
      route.gate.kind === 'scope' || route.takesToken === true,
    ],
    [
      '404',
      'Not found',
      route.params !== undefined ||
        route.body !== undefined ||
        filters(route) ||
        isPage ||
        route.limited === true,
    ],
    ['408', 'The request did not arrive in time', route.body !== undefined],
    [
      '409',
      'The request conflicts with stored data, or the same request is in progress',
      route.body !== undefined || route.idempotent === true,
    ],
    [
      '412',
      route.response === 'file' ? '`If-Match` names other ETags' : 'The state has changed in the meantime',
      route.body !== undefined || route.idempotent === true || route.response === 'file',
    ],
    ['413', 'The body is too large', route.body !== undefined],
    ['415', 'The content type is not accepted', route.body !== undefined],
    ['416', 'The part begins behind the end', route.response === 'file'],
    [
      '422',
      'The request breaks a rule',
      route.params !== undefined || route.query !== undefined || route.body !== undefined,
    ],
    ['429', 'Too many requests from this network', readsToken || route.limited === true],
    ['431', 'The headers are too large', true],
    ['500', 'Internal error', true],
    ['503', 'The service is temporarily unavailable', true],
  ];
  return all.filter(([, , applies]) => applies).map(([status, description]) => [status, description]);
}
