import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Answer, RouteName } from '@osa/core/api';
import { parseTraceparent, type RequestContext } from '@osa/core/request-context';
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';

/** The caller's `x-request-id` if it is fit for a log, a header and a session's name; else one of our own. */
export function requestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:+/=-]{1,64}$/.test(given) ? given : randomUUID();
}

/** The caller's trace (W3C Trace Context), continued by a span of ours; else a trace that begins here. */
export function contextOf({ id, headers }: Pick<FastifyRequest, 'id' | 'headers'>): RequestContext {
  const spanId = randomBytes(8).toString('hex');
  const { traceparent } = headers;
  const caller = parseTraceparent(typeof traceparent === 'string' ? traceparent : null);
  if (caller) return { id, traceId: caller.traceId, spanId, parentId: caller.spanId };
  return { id, traceId: randomBytes(16).toString('hex'), spanId, parentId: undefined };
}

/**
 * One line a request. Two kinds are at debug. Successful probes are, since monitors repeat them. Refusals of callers
 * without an accepted token are, since they have lines of their own that a flood cannot multiply.
 */
export function logRequest(log: Logger, request: FastifyRequest, reply: FastifyReply): void {
  const { method, caller } = request;
  const isProbe = request.routeOptions.config.contract?.gate.kind === 'public' && reply.statusCode < 400;
  const isFlood = caller === undefined && (reply.statusCode === 401 || reply.statusCode === 429);
  const facts = {
    method,
    route: routeOf(request),
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime * 10) / 10,
    actor: caller ? `${caller.principal.issuer}#${caller.principal.subject}` : null,
    request_id: request.id,
  };
  log[isProbe || isFlood ? 'debug' : 'info'](facts, 'request');
}

/** Fastify's own lines: only those of answers that break off on our side after they have begun. */
export class AnswerLog extends LogController {
  private readonly log: Logger;

  constructor(log: Logger) {
    super({ disableRequestLogging: true });
    this.log = log;
  }

  override streamError(error: Error, request: FastifyRequest, { raw }: FastifyReply): void {
    const hasClientLeft = raw.destroyed || (raw.socket?.destroyed ?? true);
    if (hasClientLeft) return;
    const { method, id } = request;
    this.log.error({ err: error, method, route: routeOf(request), request_id: id }, 'an answer broke off');
  }
}

/** The route as the contract has it; never the path, which may hold names. */
export function routeOf({ is404, routeOptions }: Pick<FastifyRequest, 'is404' | 'routeOptions'>): string {
  return is404 ? 'unmatched' : (routeOptions.url ?? 'unmatched');
}

type Facts = Readonly<Record<string, unknown>>;
type Tellers = {
  readonly [N in RouteName]?: (answer: Answer<N>) => readonly [message: string, facts: Facts];
};

/** The log lines of writes that were done. */
const tellers: Tellers = {
  deploy: ({ slug, deploy_id, changed }) => ['deployed', { convention: slug, deploy: deploy_id, changed }],
  release: ({ hook_name: hook, version, created, is_live }) => [
    created ? 'released' : 'found a known release',
    { hook, version, live: is_live },
  ],
  rollback: (move) => ['rolled back', moveFacts(move)],
  activate: (move) => ['activated', moveFacts(move)],
  pauseHook: ({ hook_name: hook, changed }) => ['paused a hook', { hook, changed }],
  resumeHook: ({ hook_name: hook, changed }) => ['resumed a hook', { hook, changed }],
  ingest: ({ id, convention_id, created }) => [
    created ? 'took an ingestion in' : 'found a known ingestion',
    { ingestion: id, convention: convention_id },
  ],
  pauseIngestion: ({ id }) => ['paused an ingestion', { ingestion: id }],
  resumeIngestion: ({ id }) => ['resumed an ingestion', { ingestion: id }],
  cancelIngestion: ({ id }) => ['cancelled an ingestion', { ingestion: id }],
  retryIngestion: ({ id, retried }) => ['retried records of an ingestion', { ingestion: id, retried }],
};

function moveFacts({ hook_name, from_version, live_version, changed }: Answer<'rollback'>): Facts {
  return { hook: hook_name, from: from_version, to: live_version, changed };
}

/** Logs a write that has been answered well. */
export function logWrite<N extends RouteName>(log: Logger, name: N, answer: Answer<N>): void {
  const tell = tellers[name] as ((answer: Answer<N>) => readonly [string, Facts]) | undefined;
  if (!tell) return;
  const [message, facts] = tell(answer);
  log.info(facts, message);
}
