import { randomUUID } from 'node:crypto';
import type { Answer, Body, Params, Query, RouteName } from '@osa/core/api';
import type { Route } from '@osa/core/api/route';
import type { SigningKey } from '@osa/core/auth/sign-token';
import { OsaError } from '@osa/core/error';
import { proxyTo, resolveServer, type Server, type Sources } from '../config/config.ts';
import { type Credential, noKey, resolveCredential } from '../config/credential.ts';
import { loadKey, sign } from '../config/key.ts';
import { type Names, withNearName } from './near-name.ts';
import { isOwnProblem, problemError, readAnswer } from './read-response.ts';
import { type HttpResponse, type RequestBody, send, wayThrough } from './request.ts';
import type { CommandTrace } from './trace.ts';

/** The server, as one typed function over the routes of the wire contract. */
export interface Client {
  readonly server: Server;
  /**
   * Calls a route, with a token of its own where one is needed.
   *
   * @throws OsaError with the server's code, message, field and details; `unreachable`; `credentials` when a token
   * is needed and there is no key; `internal` for an answer that breaks the contract.
   */
  call<N extends RouteName>(name: N, input: CallInput<N>): Promise<Answer<N>>;
}

/** The input of a route, and nothing else. */
export type CallInput<N extends RouteName> = Given<'params', Params<N>> &
  Given<'body', Body<N>> & {
    readonly query?: Query<N> & object;
    /** The body of a route that takes a stream. */
    readonly upload?: RequestBody;
    /** Its media type, where that has parameters. */
    readonly contentType?: string;
    /** The resource that the token is narrowed to, where no path parameter names it. */
    readonly resource?: string;
    /** The scope of the token instead of the route's first one, where the route takes either. */
    readonly scope?: string;
    /** More scopes than the route's own. On a route that anybody may read, a token is sent only for these. */
    readonly scopes?: readonly string[];
    /** The ETag that the state must still have. */
    readonly ifMatch?: string;
    /** This token, whatever credential there is. */
    readonly token?: string;
    /** Aborts this call, instead of what aborts the command. */
    readonly signal?: AbortSignal;
    /** For a POST that changes nothing: it is sent again like a read when the connection is lost. */
    readonly repeatable?: true;
  };

type Given<K extends string, T> = [T] extends [undefined]
  ? { readonly [key in K]?: undefined }
  : { readonly [key in K]: T };

export interface ClientOptions {
  readonly sources: Sources;
  /** `--server`. */
  readonly server: string | undefined;
  readonly signal: AbortSignal;
  /** The trace of the command that makes the calls. */
  readonly trace: CommandTrace;
  /** Told what the user should know though it stops nothing. */
  note(message: string): void;
}

/** @throws OsaError `usage`, `unreachable` when no server is configured. */
export function createClient(options: ClientOptions): Client {
  const server = resolveServer(options.sources, options.server);
  const proxy = proxyTo(server, options.sources);
  const way = wayThrough(proxy);
  const tokenFor = signer(options, server, (name, input) => client.call(name, input));
  const client: Client = {
    server,
    async call(name, input) {
      const { routeNamed } = await import('./route-named.ts');
      const route: Route = await routeNamed(name);
      // One key for all tries of this call.
      const idempotencyKey = randomUUID();
      const { trace } = options;
      const requestId = randomUUID();
      const attempt = async (token: string | undefined): Promise<Answered> => {
        const response = await trace.call(`${route.method} ${route.path}`, (spanId) =>
          send({
            url: urlOf(server, route, input),
            method: route.method,
            headers: headersOf(route, {
              token,
              idempotencyKey,
              ifMatch: input.ifMatch,
              contentType: input.contentType,
              requestId,
              traceId: trace.traceId,
              spanId,
            }),
            body: input.upload ?? (input.body === undefined ? undefined : JSON.stringify(input.body)),
            repeatable: route.method !== 'POST' || route.idempotent === true || input.repeatable === true,
            way,
            signal: input.signal ?? options.signal,
          }),
        );
        return { response, hadToken: token !== undefined };
      };
      const { response, hadToken } = await withToken({ route, input, sign: tokenFor, attempt, options });
      if (response.status >= 200 && response.status < 300) return readAnswer(name, response, server);
      const problem = await problemError(response, server, { hadToken });
      throw await withNearName(problem, input.params ?? {}, namesOf(client));
    },
  };
  return client;
}

function namesOf({ call }: Client): Names {
  return {
    hooks: async () => (await call('listHooks', {})).items.map(({ name }) => name),
    conventions: async () => (await call('listConventions', {})).items.map(({ id }) => id),
  };
}

type LooseInput = CallInput<RouteName>;

interface Answered {
  readonly response: HttpResponse;
  /** Whether a token was sent for it. */
  readonly hadToken: boolean;
}

/** With `refused`, a token that is not that one, which the server did not accept. */
type Sign = (scopes: readonly string[], refused?: string) => Promise<string | undefined>;

/**
 * Sends a token where the gate needs one. A read goes without, unless scopes were asked for that show more, or the
 * server wants one for every read. A key that this server does not know must not get in the way of a public read. A 401 of something on the way, such as
 * a gateway, says nothing about the token.
 */
async function withToken(call: {
  readonly route: Route;
  readonly input: LooseInput;
  readonly sign: Sign;
  readonly attempt: (token: string | undefined) => Promise<Answered>;
  readonly options: ClientOptions;
}): Promise<Answered> {
  const { route, input, sign } = call;
  const { gate } = route;
  const attempt = async (token: string | undefined) => {
    const answered = await call.attempt(token);
    if (token === undefined || token === input.token) return answered;
    if (!(await isOwnProblem(answered.response, 'invalid_token'))) return answered;
    const another = await sign([], token);
    return another === undefined || input.upload?.replayable === false ? answered : call.attempt(another);
  };
  if (gate.kind === 'public') return attempt(undefined);
  if (input.token !== undefined) return attempt(input.token);
  const extra = input.scopes ?? [];
  if (gate.kind === 'authenticated') {
    const token = await sign(extra);
    if (token === undefined) throw noKey(call.options.sources);
    return attempt(token);
  }
  if (gate.kind === 'scope') {
    const params: Readonly<Record<string, unknown>> = input.params ?? {};
    const resource = gate.resourceParam === undefined ? input.resource : params[gate.resourceParam];
    const own = input.scope ?? (resource === undefined ? gate.verb : `${gate.verb}:${resource}`);
    const token = await sign([own, ...extra]);
    if (token === undefined) throw noKey(call.options.sources);
    return attempt(token);
  }
  const token = extra.length > 0 ? await sign(extra) : undefined;
  const answered = await attempt(token);
  if (!(await isOwnProblem(answered.response, 'missing_token', 'invalid_token'))) return answered;
  if (token === undefined) {
    const needed = await sign(extra);
    return needed === undefined ? answered : attempt(needed);
  }
  const open = await attempt(undefined);
  if (open.response.status === 401) return answered;
  call.options.note(
    'the server does not accept this key, so only public data is shown; osa auth check finds out why',
  );
  return open;
}

/**
 * The token of the environment, one signed with the key for `server`, or what the server gives for the ID token of this
 * job. They are looked for once, and only where a token is needed. The key of a development daemon is gone when it
 * stops; a command that waits for it should hear that nothing listens.
 */
function signer({ sources, signal }: ClientOptions, server: Server, call: Client['call']): Sign {
  let found: Credential | undefined;
  let loading: Promise<SigningKey> | undefined;
  let exchanging: Promise<string> | undefined;
  return async (scopes, refused) => {
    found ??= resolveCredential(sources, server);
    const credential = found;
    if (refused !== undefined && credential?.kind !== 'login') return undefined;
    if (credential?.kind === 'job') {
      const { exchangeIdToken } = await import('./exchange.ts');
      exchanging ??= exchangeIdToken(call, credential.source, { sources, signal }).then(({ token }) => token);
      return exchanging;
    }
    if (credential?.kind === 'login') {
      const { loginToken } = await import('./login.ts');
      return loginToken(call, sources, server, refused);
    }
    if (credential?.kind !== 'key') return credential?.token;
    loading ??= loadKey(credential.identity.key);
    return sign(await loading, credential.identity, { scopes });
  };
}

function urlOf(server: Server, route: Route, input: LooseInput): URL {
  const params: Readonly<Record<string, unknown>> = input.params ?? {};
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => segment(name, String(params[name])));
  const url = new URL(`${server.url}${path}`);
  for (const [name, value] of Object.entries(input.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

/** `.` and `..` would change the path, however they are encoded. */
function segment(name: string, value: string): string {
  if (value !== '' && value !== '.' && value !== '..') return encodeURIComponent(value);
  throw new OsaError('usage', `${name}: "${value}" is not a name; give the name as osa lists it`, {
    field: name,
  });
}

const accepted = {
  text: 'text/plain',
  html: 'text/html',
  markdown: 'text/markdown',
  bytes: 'text/plain',
  archive: 'application/octet-stream',
  file: 'application/octet-stream',
  table: '*/*',
} as const;

interface Sent {
  readonly token: string | undefined;
  readonly idempotencyKey: string;
  readonly ifMatch: string | undefined;
  readonly contentType: string | undefined;
  readonly requestId: string;
  /** One a command. */
  readonly traceId: string;
  readonly spanId: string;
}

function headersOf(
  route: Route,
  { token, idempotencyKey, ifMatch, contentType: given, ...origin }: Sent,
): Record<string, string> {
  const contentType = given ?? (typeof route.body === 'string' ? route.body : 'application/json');
  return {
    accept: typeof route.response === 'string' ? accepted[route.response] : 'application/json',
    'user-agent': 'osa',
    'x-request-id': origin.requestId,
    traceparent: `00-${origin.traceId}-${origin.spanId}-01`,
    ...(route.body !== undefined && { 'content-type': contentType }),
    ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(route.idempotent && { 'idempotency-key': idempotencyKey }),
  };
}
