import { createHash } from 'node:crypto';
import {
  type Answer,
  type ParsedBody,
  type ParsedParams,
  type ParsedQuery,
  type RouteName,
  routes,
} from '@osa/core/api';
import { mayLackBody, type Route } from '@osa/core/api/route';
import type { Principal } from '@osa/core/auth/principal';
import { scopeVerbs } from '@osa/core/auth/scope';
import { OsaError } from '@osa/core/error';
import { WrittenAnswer } from '@osa/core/json/written';
import { databaseError } from '@osa/core/postgres/connection/sqlstate';
import type { RequestContext } from '@osa/core/request-context';
import type { AskedFor, Writer } from '@osa/core/store';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { Part } from '../config/settings.ts';
import type { Caller } from './authenticate.ts';
import { bodyChunks, lacksBody, readJson, receiveJson, requireMediaType, requireSize } from './body.ts';
import { type BodyCount, type BodyMemory, bodyMemory } from './body-memory.ts';
import { invalidInput } from './errors.ts';
import type { HttpLimits } from './limits.ts';
import { type Reads, readerOf } from './reads/reads.ts';
import { StoredBytes } from './reads/stored-bytes.ts';
import { logWrite } from './request-log.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route's entry in the wire contract. */
    contract?: Route;
  }
  interface FastifyRequest {
    /** Set once the token is verified. */
    caller: Caller | undefined;
    /** Its id and its place in a trace. */
    context: RequestContext | undefined;
  }
}

/** A decoded request: checked against the contract, with defaults filled in. */
export interface Call<N extends RouteName> {
  readonly params: ParsedParams<N>;
  readonly query: ParsedQuery<N>;
  /** The JSON body; undefined where there is none, or where it is a stream. */
  readonly body: ParsedBody<N>;
  /** The reader; undefined for an anonymous one. A route whose gate needs a token uses `caller`. */
  readonly principal: Principal | undefined;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** A streamed body, to be read once. @throws OsaError `too_large` if its Content-Length is */
  upload(maxBytes: number): AsyncIterable<Uint8Array>;
  /** @throws OsaError `internal` on a route whose gate admits anonymous callers */
  caller(): Caller;
  /** The actor and request of a write. A streamed body needs its SHA-256. */
  writer(uploadSha256?: string): Writer;
}

/** A route that reads may give the text of its answer, or bytes that are opened after its turn. */
export type Handler<N extends RouteName> = (
  call: Call<N>,
) => Promise<Answer<N> | WrittenAnswer | StoredBytes>;
export type Handlers = { readonly [N in RouteName]: Handler<N> };

export interface MountOptions {
  readonly limits: HttpLimits;
  readonly part: Part;
  /** Bounds the routes that read. */
  readonly reads: Reads;
  readonly log: Logger;
}

/**
 * Mounts every route of the wire contract: method, path, gate, shapes and status come from there.
 *
 * @throws OsaError `internal` when a route has no gate or no handler, or a handler no route
 */
export function mountRoutes(app: FastifyInstance, handlers: Handlers, options: MountOptions): void {
  const names = Object.keys(routes) as RouteName[];
  const missing = names.filter((name) => !Object.hasOwn(handlers, name));
  const stray = Object.keys(handlers).filter((name) => !Object.hasOwn(routes, name));
  if (missing.length + stray.length > 0) {
    throw new OsaError(
      'internal',
      `routes without a handler: ${missing.join(', ') || 'none'}; handlers without a route: ${stray.join(', ') || 'none'}`,
    );
  }
  const ungated = names.filter((name) => !hasGate(routes[name]));
  if (ungated.length > 0) {
    throw new OsaError('internal', `routes without a gate: ${ungated.join(', ')}`);
  }
  app.addHook('onRoute', ({ url, config }) => {
    if (!config?.contract)
      throw new OsaError('internal', `${url} is not in the wire contract, so it has no gate`);
  });
  const bodies = bodyMemory(options.limits.bodyBytes);
  for (const name of routesOf(options.part)) mount(app, name, handlers, { ...options, bodies });
}

/** The types demand a gate; this checks at run time as well, since a route without one would be open. */
function hasGate({ gate }: Partial<Route>): boolean {
  switch (gate?.kind) {
    case 'public':
    case 'read':
    case 'authenticated':
      return true;
    case 'scope':
      return scopeVerbs.includes(gate.verb);
    default:
      return false;
  }
}

/** The routes of this part of a daemon; one that only runs batches reports how it is, and no more. */
export function routesOf(part: Part): readonly RouteName[] {
  return part === 'worker'
    ? ['health', 'ready', 'apiHealth', 'apiReady', 'metrics']
    : (Object.keys(routes) as RouteName[]);
}

function mount<N extends RouteName>(
  app: FastifyInstance,
  name: N,
  handlers: Handlers,
  { limits, reads, log, bodies }: MountOptions & { readonly bodies: BodyMemory },
): void {
  const route: Route = routes[name];
  const handler = handlers[name];
  app.route({
    method: route.method,
    url: route.path,
    config: { contract: route },
    handler: async (request, reply) => {
      using memory = bodies.begin(readerOf(request));
      const receive = () => received(route, request, { limits, memory });
      const work = async (all: Received) => {
        const call = decode<N>(route, { request, reply, limits }, all);
        const answer = await handler(call).catch((error: unknown) => {
          throw blameCursor(error, call.query);
        });
        if (!(answer instanceof WrittenAnswer || answer instanceof StoredBytes)) logWrite(log, name, answer);
        if (!reply.raw.headersSent && reply.statusCode === 200) reply.code(statusOf(route, answer));
        return answer;
      };
      return reply.send(
        await (isBounded(route) ? reads(request, reply, { receive, read: work }) : work(await receive())),
      );
    },
  });
}

/** Whether a route reads from the database for somebody. Probes and the like are answered under any load of these. */
export function isBounded({ method, gate, isReading, waits }: Route): boolean {
  return waits !== true && (method === 'GET' || isReading === true) && gate.kind !== 'public';
}

function statusOf({ status, createdStatus }: Route, answer: unknown): number {
  const isCreated =
    typeof answer === 'object' && answer !== null && 'created' in answer && answer.created === true;
  return (isCreated ? createdStatus : undefined) ?? status;
}

/**
 * Only the list that made a cursor can read it. A forged one is found by the database, as a value that does not fit
 * (SQLSTATE class 22).
 */
function blameCursor(error: unknown, query: object | undefined): unknown {
  const isForged = query && 'cursor' in query && databaseError(error)?.code.startsWith('22');
  if (!isForged) return error;
  const message = 'cursor: not a cursor of this list; leave it out to start again';
  return new OsaError('invalid', message, { field: 'cursor', cause: error });
}

interface Receiving {
  readonly limits: HttpLimits;
  readonly memory: BodyCount;
}

/** A request that has come, with its JSON body, which is not read yet. */
interface Received {
  readonly key: string | undefined;
  readonly params: unknown;
  readonly query: unknown;
  readonly json: Buffer | undefined;
}

/** Checks in the order of cost: headers, path, query, then the body. */
async function received(route: Route, request: FastifyRequest, receiving: Receiving): Promise<Received> {
  const key = route.idempotent ? idempotencyKey(request) : undefined;
  const params = check(route.params, request.params, 'path');
  const query = check(route.query?.strict(), request.query, 'query');
  if (typeof route.body === 'string') requireMediaType(request.raw, route.body);
  const json = typeof route.body === 'object' ? await receivedBody(route, request, receiving) : undefined;
  return { key, params, query, json };
}

function decode<N extends RouteName>(
  route: Route,
  { request, reply, limits }: Pick<Call<N>, 'request' | 'reply'> & { readonly limits: HttpLimits },
  { key, params, query, json: bytes }: Received,
): Call<N> {
  const keptUnder = route.digitsIn ?? (route.isReading ? 'filter' : 'config');
  const json = bytes && readJson(bytes, { keptUnder, maxPlainLength: limits.requestBytes });
  const caller = (): Caller => {
    if (request.caller) return request.caller;
    throw new OsaError(
      'internal',
      `${route.method} ${route.path} needs a caller, but its gate admits anonymous ones`,
    );
  };
  const call = {
    params,
    query,
    body: json && check(route.body as z.ZodType, json.value),
    principal: request.caller?.principal,
    request,
    reply,
    caller,
    upload(maxBytes: number) {
      requireSize(request.raw, maxBytes);
      return bodyChunks(request.raw, { idleMs: limits.uploadIdleMs });
    },
    writer(uploadSha256?: string): Writer {
      const principal = { ...caller().principal, used: new Set<string>() };
      const onBehalf = { principal, request: askedFor(route, request) };
      if (key === undefined) return onBehalf;
      const bodySha256 = uploadSha256 ?? json?.sha256 ?? '';
      return { ...onBehalf, idempotency: { key, requestDigest: digestOf(request, bodySha256) } };
    },
  };
  // The contract's schemas give these shapes, but TypeScript cannot follow a look-up by name.
  return call as unknown as Call<N>;
}

/** The request as the outbox records it. */
export function askedFor(
  { method, path, gate }: Route,
  { params, id }: Pick<FastifyRequest, 'params' | 'id'>,
): AskedFor {
  const resource = gate.kind === 'scope' && gate.resourceParam ? gate.resourceParam : undefined;
  const name = resource && (params as Readonly<Record<string, string>>)[resource];
  const scope = gate.kind === 'scope' ? [gate.verb, ...(name ? [name] : [])].join(':') : null;
  return { route: `${method} ${path}`, scope, request_id: id };
}

/** A body that is left out is the same request as `{}`, also where it is repeated. */
const noBody = Buffer.from('{}');

async function receivedBody(
  route: Route,
  request: FastifyRequest,
  { limits, memory }: Receiving,
): Promise<Buffer> {
  if (lacksBody(request.raw) && mayLackBody(route)) return noBody;
  requireMediaType(request.raw, 'application/json');
  const maxBytes = route.gate.kind === 'public' ? limits.openBytes : limits.requestBytes;
  const times = { idleMs: limits.requestMs, totalMs: limits.requestMs };
  return await receiveJson(request.raw, { maxBytes, memory, ...times });
}

/** @throws OsaError `malformed` for a query that PostgreSQL cannot store, `invalid` */
function check(schema: z.ZodType | undefined, input: unknown, part?: 'path' | 'query'): unknown {
  if (!schema) return undefined;
  if (part === 'query') refuseUnstorable(input, part);
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw invalidInput(parsed.error, input, part === undefined ? '' : `${part}: `);
}

/** Refuses text that PostgreSQL cannot store. @throws OsaError `malformed` */
export function refuseUnstorable(input: unknown, part: string): void {
  for (const [name, value] of Object.entries(input ?? {})) {
    const text = String(value);
    if (text.includes('\0') || !text.isWellFormed()) {
      throw new OsaError('malformed', `${part}: ${name} holds a character that is not allowed`, {
        field: name,
      });
    }
  }
}

/** @throws OsaError `invalid` */
function idempotencyKey(request: FastifyRequest): string | undefined {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[\x21-\x7e]{1,200}$/.test(header)) return header;
  throw new OsaError('invalid', 'Idempotency-Key: must be 1 to 200 visible ASCII characters; send a UUID', {
    field: 'Idempotency-Key',
  });
}

function digestOf(request: FastifyRequest, bodySha256: string): string {
  const { method, url, headers } = request;
  const text = `${method} ${url}\n${headers['if-match'] ?? ''}\n${bodySha256}`;
  return createHash('sha256').update(text).digest('hex');
}
