import type { RequestListener, ServerResponse } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { routes } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import { asOsaError, OsaError } from '@osa/core/error';
import { duringRequest, traceparentOf } from '@osa/core/request-context';
import type { Access } from '@osa/core/store';
import { systemCode } from '@osa/core/system/error';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
} from 'fastify';
import type { Logger } from 'pino';
import type { Part } from '../config/settings.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type Authenticate, requireGate } from './authenticate.ts';
import { lingering } from './body.ts';
import { type ProblemAnswer, problemOf, refusedCaller, refusedLogin } from './errors.ts';
import type { HttpLimits } from './limits.ts';
import { createListener } from './listener/listener.ts';
import { askedFor, type Handlers, mountRoutes, refuseUnstorable, routesOf } from './mount.ts';
import type { Reads } from './reads/reads.ts';
import { AnswerLog, contextOf, logRequest, requestId, routeOf } from './request-log.ts';

export interface ServerParts {
  readonly part: Part;
  /** Whether only `localhost` and addresses are accepted as host: a web page can point a domain of its own at us. */
  readonly isLocal: boolean;
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly handlers: Handlers;
  readonly authenticate: Authenticate;
  readonly limits: HttpLimits;
  readonly reads: Reads;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly log: Logger;
  /** Stores that a caller with an accepted token was refused. */
  readonly denied: Access['denied'];
  readonly isDraining: () => boolean;
}

/** Builds the HTTP server: limits, gates, errors and the routes of the wire contract. It does not listen yet. */
export function buildServer(parts: ServerParts): FastifyInstance {
  const { limits, log, trustedProxies } = parts;
  const app = fastify({
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    loggerInstance: warningsOf(log),
    childLoggerFactory: (logger) => logger,
    requestIdHeader: false,
    genReqId: requestId,
    // We write a line of our own for each request.
    logController: new AnswerLog(log),
    // While draining, a request is still answered; then its connection is closed.
    return503OnClosing: false,
    serverFactory: (handle) => createListener(handle as RequestListener, { limits, trustedProxies }),
    routerOptions: { ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, maxParamLength: 1_000 },
    frameworkErrors: (error, request, reply) => answerProblem(error, request, reply, log),
    clientErrorHandler: answerUnreadable,
  });
  // Routes read bodies themselves, by their contract.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.decorateRequest('caller', undefined);
  app.decorateRequest('context', undefined);
  addHooks(app, parts);
  app.setErrorHandler(async (error, request, reply) => {
    await tellDenial(error, request, parts);
    answerProblem(error, request, reply, log);
    return reply;
  });
  app.setNotFoundHandler((request) => {
    throw notMounted(request, parts.part);
  });
  mountRoutes(app, parts.handlers, parts);
  return app;
}

function addHooks(app: FastifyInstance, parts: ServerParts): void {
  const { authenticate, isLocal, limits, log, metrics, telemetry, isDraining } = parts;
  app.addHook('onRequest', (request, reply, done) => {
    const context = contextOf(request);
    request.context = context;
    reply.headers({ 'x-request-id': context.id, traceparent: traceparentOf(context) });
    duringRequest(context, done);
  });
  app.addHook('onRequest', async (request, reply) => {
    requireFraming(request, reply);
    requireOne(request, 'authorization');
    if (isLocal) requireLocalName(request.hostname);
    if (request.raw.rawHeaders.length / 2 > limits.headers) {
      throw Object.assign(new Error('too many headers'), { code: 'HPE_HEADER_OVERFLOW' });
    }
    const { contract } = request.routeOptions.config;
    if (!contract) return;
    const { authorization } = request.headers;
    const params = request.params as Readonly<Record<string, string>>;
    request.caller = await authenticate(contract.gate, { authorization, address: request.ip });
    // Gates may use the parameters, and a refusal is stored with them.
    refuseUnstorable(params, 'path');
    requireGate(contract.gate, request.caller, params);
  });
  app.addHook('onSend', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    if (request.headers.authorization !== undefined) reply.header('cache-control', 'no-store');
    // The unread rest of a body is not awaited.
    if (isDraining() || !request.raw.complete) reply.header('connection', 'close');
    const { raw } = reply;
    raw.setTimeout(limits.answerIdleMs, () => cutStopped(raw, limits.answerIdleMs));
  });
  app.addHook('onResponse', async (request, reply) => {
    const [route, status, ms] = [routeOf(request), reply.statusCode, reply.elapsedTime];
    metrics.observeRequest({ route, status, seconds: ms / 1_000 });
    const { context, method } = request;
    if (context && isTraced(request)) telemetry.observeRequest({ context, method, route, status, ms });
    logRequest(log, request, reply);
  });
}

/** Cuts off a client that stops reading its answer. One that has taken all that there is waits for us. */
function cutStopped({ socket }: ServerResponse, idleMs: number): void {
  if (!socket) return;
  if (socket.writableLength > 0) socket.destroy();
  else socket.setTimeout(idleMs);
}

/** Probes come every few seconds and are of no trace. */
function isTraced({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.config.contract?.gate.kind !== 'public';
}

/**
 * Refuses a request that a proxy before us may have read in another way (RFC 9112, sections 3.2 and 6.1), and closes
 * its connection: the bytes behind it may be anything.
 *
 * @throws OsaError `malformed`
 */
function requireFraming(request: FastifyRequest, reply: FastifyReply): void {
  const { headers, httpVersion } = request.raw;
  const coding = headers['transfer-encoding'];
  try {
    requireOne(request, 'host');
    if (httpVersion === '1.1' && headers.host === undefined) {
      throw new OsaError('malformed', 'the request has no header host; send one', { field: 'host' });
    }
    if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
      throw new OsaError(
        'malformed',
        `the Transfer-Encoding ${JSON.stringify(coding.slice(0, 100))} is not accepted; send chunked, or a Content-Length`,
        { field: 'Transfer-Encoding' },
      );
    }
  } catch (error) {
    reply.header('connection', 'close');
    throw error;
  }
}

/** Refuses a repeated header; Node would use the first. @throws OsaError `malformed` */
function requireOne({ raw }: FastifyRequest, name: 'host' | 'authorization'): void {
  const found = raw.headersDistinct[name] ?? [];
  if (found.length <= 1) return;
  throw new OsaError('malformed', `the request has ${found.length} headers ${name}; send one`, {
    field: name,
  });
}

/** @throws OsaError `malformed` */
function requireLocalName(hostname: string): void {
  const name = hostname.replace(/^\[(.*)\]$/, '$1');
  if (name === 'localhost' || isIP(name) !== 0) return;
  throw new OsaError(
    'malformed',
    `osad --dev accepts localhost or an address as host, not ${JSON.stringify(hostname)}`,
    { field: 'host' },
  );
}

/** The logger of fastify itself: warnings and errors only. */
function warningsOf(log: Logger): FastifyBaseLogger {
  return log.isLevelEnabled('warn') ? log.child({}, { level: 'warn' }) : log;
}

/** Stores a refusal. If that fails, the refusal is still answered. */
async function tellDenial(
  error: unknown,
  request: FastifyRequest,
  { denied, log }: ServerParts,
): Promise<void> {
  const { contract } = request.routeOptions.config;
  const principal = request.caller?.principal;
  if (!principal || !contract || asOsaError(error)?.code !== 'access_denied') return;
  const asked = askedFor(contract, request);
  const scope = asOsaError(error)?.details.scope;
  await denied(principal, { ...asked, scope: typeof scope === 'string' ? scope : asked.scope }).catch(
    (cause: unknown) => log.error({ err: cause, ...asked }, 'cannot store a refusal'),
  );
}

/** 405 with the allowed methods if the path exists; otherwise 404. */
function notMounted(request: FastifyRequest, part: Part): OsaError {
  const [path = ''] = request.url.split('?', 1);
  const all: readonly Route[] = routesOf(part).map((name) => routes[name]);
  const methods = all.filter((route) => patternOf(route).test(path)).map((route) => route.method);
  if (methods.length === 0) {
    const instead =
      part === 'worker'
        ? `this daemon only runs batches and serves ${all.map((route) => route.path).join(', ')}; ask a daemon that serves the API`
        : '/openapi.json lists all routes';
    return new OsaError('not_found', `there is no route with this path; ${instead}`, {
      details: part === 'worker' ? {} : { routes: '/openapi.json' },
    });
  }
  const allow = [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
  return new OsaError('method_not_allowed', `this path accepts ${allow.join(', ')}`, { details: { allow } });
}

function patternOf(route: Route): RegExp {
  const segments = route.path
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : RegExp.escape(segment)));
  return new RegExp(`^${segments.join('/')}$`);
}

function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): void {
  const problem = problemOf(error);
  if (problem.isOurs) {
    log.error(
      {
        err: error,
        method: request.method,
        route: routeOf(request),
        status: problem.status,
        request_id: request.id,
      },
      'request failed',
    );
  }
  const isWhoami = request.routeOptions.config.contract === routes.whoami;
  const shown = isWhoami ? refusedCaller(problem.body, error) : refusedLogin(problem.body);
  const body = { ...shown, request_id: request.id };
  const text = JSON.stringify(body);
  reply.code(problem.status).headers({ ...problem.headers, ...allowOf(problem) });
  reply.header('content-type', 'application/problem+json');
  reply.header('x-content-type-options', 'nosniff');
  if (request.raw.complete) {
    reply.send(text);
    return;
  }
  reply.header('content-length', Buffer.byteLength(text));
  reply.send(lingering(text, request.raw));
}

function allowOf({ status, body }: ProblemAnswer): Record<string, string> {
  const allow = body.details?.allow;
  return status === 405 && Array.isArray(allow) ? { allow: allow.join(', ') } : {};
}

/** Answers when Node could not read a request, or not in time: then there is only a socket. */
function answerUnreadable(error: Error, socket: Socket): void {
  if (systemCode(error) === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const known = systemCode(error);
  const readable = known === 'HPE_HEADER_OVERFLOW' || known === 'ERR_HTTP_REQUEST_TIMEOUT';
  const problem = problemOf(readable ? error : new OsaError('malformed', 'this is not an HTTP/1.1 request'));
  const text = JSON.stringify(problem.body);
  const head = [
    `HTTP/1.1 ${problem.status} Refused`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`, () => socket.destroy());
}
