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
