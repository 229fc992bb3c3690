import { AsyncLocalStorage } from 'node:async_hooks';

/** The request that work is done for, so that logs, events and sessions of the database can name it. */
export interface RequestContext {
  /** Visible ASCII without quotes, 64 characters at most. */
  readonly id: string;
  /** W3C Trace Context: 32 and 16 hex digits. */
  readonly traceId: string;
  readonly spanId: string;
  /** The caller's span; undefined where the request began here. */
  readonly parentId: string | undefined;
}

const current = new AsyncLocalStorage<RequestContext>();

export function duringRequest<T>(context: RequestContext, work: () => T): T {
  return current.run(context, work);
}

/** Undefined for work that no request asked for. */
export function currentRequest(): RequestContext | undefined {
  return current.getStore();
}

/** The span of the request as W3C Trace Context spells it; null for work that no request asked for. */
export function currentTraceparent(): string | null {
  const context = current.getStore();
  return context ? traceparentOf(context) : null;
}

export function traceparentOf({ traceId, spanId }: Pick<RequestContext, 'traceId' | 'spanId'>): string {
  return `00-${traceId}-${spanId}-01`;
}

/** The span that a `traceparent` names; undefined for a text that names none. */
export function parseTraceparent(
  text: string | null | undefined,
): Pick<RequestContext, 'traceId' | 'spanId'> | undefined {
  const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(text ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return /[1-9a-f]/.test(traceId) && /[1-9a-f]/.test(spanId) ? { traceId, spanId } : undefined;
}
