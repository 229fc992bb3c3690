import { randomInt } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';
import type { Dispatcher } from 'undici';
import { type ForwardProxy, proxyText } from '../config/proxy.ts';

/** One HTTP request, as often as it takes within a bound. */
export interface HttpRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | RequestBody | undefined;
  /** Whether sending it twice is the same as sending it once. */
  readonly repeatable: boolean;
  readonly way: Way;
  readonly signal: AbortSignal;
}

/** The way to a server, which may lead through a proxy; its connections are used again. */
export interface Way {
  readonly proxy: ForwardProxy | undefined;
  dispatcher(): Promise<Dispatcher>;
}

export function wayThrough(proxy: ForwardProxy | undefined): Way {
  let agent: Promise<Dispatcher> | undefined;
  const open = async (): Promise<Dispatcher> => {
    if (proxy === undefined) {
      const { default: Agent } = await import('undici/lib/dispatcher/agent.js');
      return new Agent();
    }
    const { default: undici } = await import('undici');
    return new undici.ProxyAgent(proxy.url.href);
  };
  return {
    proxy,
    dispatcher: () => {
      agent ??= open();
      return agent;
    },
  };
}

/** A streamed body. Without `replayable` it can be read once only, as standard input. */
export interface RequestBody {
  open(): Readable;
  readonly replayable: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Buffer;
  /** The bytes as UTF-8. */
  readonly text: string;
}

/** The waits before the second, third and fourth try, in milliseconds. */
const backoffMs = [100, 300, 900];
const longestRetryAfterMs = 5_000;
const maxAnswerBytes = 64 * 1024 * 1024;

/**
 * Sends the request; repeats it after a lost connection, a 503, and a 409 `in_progress` that an own earlier try
 * has caused.
 *
 * @throws OsaError `unreachable` when no answer came, `interrupted`, and whatever the upload's source throws.
 */
export async function send(request: HttpRequest): Promise<HttpResponse> {
  const { body } = request;
  const mayRepeat = request.repeatable && (typeof body !== 'object' || body.replayable);
  for (let tries = 0; ; tries++) {
    const backoff = mayRepeat ? backoffMs[tries] : undefined;
    try {
      const { response, retryAfterMs } = await sendOnce(request);
      const isPassing = isAway(response) || (tries > 0 && isInProgress(response));
      if (!isPassing || backoff === undefined) return response;
      await pause(Math.max(backoff, retryAfterMs), request.signal);
    } catch (error) {
      const failure = toFailure(error, request);
      if (!failure.isPassing || backoff === undefined) throw failure.error;
      await pause(backoff, request.signal);
    }
  }
}

/** A server answers an upload when all of it is stored, which takes minutes for millions of records. */
const storingMs = 60 * 60_000;

async function sendOnce(request: HttpRequest): Promise<{ response: HttpResponse; retryAfterMs: number }> {
  // The whole package takes as long to load as everything else that a command does.
  const { default: requestBy } = await import('undici/lib/api/api-request.js');
  const { url, method, headers, body, way, signal } = request;
  const stream = typeof body === 'object' ? body.open() : undefined;
  // The error reaches us as the request's own; without a listener a late one would end the process.
  stream?.on('error', () => undefined);
  const answer = await requestBy.call(await way.dispatcher(), {
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method,
    headers,
    body: typeof body === 'string' ? body : (stream ?? null),
    signal,
    ...(stream && { headersTimeout: storingMs }),
  });
  const bytes = await readBytes(answer.body);
  const retryAfter = Number(answer.headers['retry-after'] ?? 0);
  return {
    response: {
      status: answer.statusCode,
      contentType: String(answer.headers['content-type'] ?? ''),
      bytes,
      text: bytes.toString('utf8'),
    },
    retryAfterMs: Number.isFinite(retryAfter) ? Math.min(retryAfter * 1000, longestRetryAfterMs) : 0,
  };
}

async function readBytes(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxAnswerBytes) {
      throw new OsaError(
        'internal',
        `the server's answer has over ${maxAnswerBytes} bytes; ask for a smaller page`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A refusal that says what it waits for is for people to read at once. */
function isAway({ status, text }: HttpResponse): boolean {
  return status === 503 && !text.includes('"waits_for"');
}

function isInProgress({ status, text }: HttpResponse): boolean {
  return status === 409 && text.includes('"in_progress"');
}

/** Connections that may come back in a moment; the rest fails at once. */
const passingCodes = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT'],
]);

function toFailure(
  error: unknown,
  { url, way, signal }: HttpRequest,
): { error: unknown; isPassing: boolean } {
  if (signal.aborted) {
    return { error: new OsaError('interrupted', 'interrupted', { cause: error }), isPassing: false };
  }
  // A parser's error has a code only where the parser knew one.
  const isParser = error instanceof Error && error.name === 'HTTPParserError';
  const code = isParser ? 'HPE_INVALID' : systemCode(error);
  if (error instanceof OsaError || code === undefined) return { error, isPassing: false };
  return {
    error: new OsaError('unreachable', unreachableMessage(url, { code, proxy: way.proxy, error }), {
      details: { url: url.origin, code, ...(way.proxy && { proxy: way.proxy.url.origin }) },
      cause: error,
    }),
    isPassing: passingCodes.has(code),
  };
}

function unreachableMessage(
  url: URL,
  {
    code,
    proxy,
    error,
  }: { readonly code: string; readonly proxy: ForwardProxy | undefined; readonly error: unknown },
): string {
  if (proxy) {
    // A proxy that refuses the tunnel says so with a status.
    const [, status] = /\((\d{3})\)/.exec(error instanceof Error ? error.message : '') ?? [];
    const why = status === undefined ? code : `it answers with status ${status}`;
    return `cannot reach ${url.origin} through ${proxyText(proxy)}: ${why}; check ${proxy.from}, or name the host in NO_PROXY`;
  }
  if (code.startsWith('HPE_'))
    return `the program that answers at ${url.origin} does not speak HTTP (${code}); is the URL right?`;
  if (code === 'ECONNREFUSED') {
    return `nothing listens at ${url.origin}; start a server with: osa dev, or name one with --server`;
  }
  if (code === 'ENOTFOUND')
    return `no host is named ${url.hostname}; is the URL right? Behind a proxy, set HTTPS_PROXY`;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return `the program that answers at ${url.origin} does not speak HTTPS; try http://${url.host}`;
  }
  return `cannot reach ${url.origin} (${code}); check that the server runs, and that --server or OSA_SERVER is right`;
}

/** Waits up to a third longer, so that many clients do not come back at once. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(milliseconds + randomInt(Math.ceil(milliseconds / 3)), undefined, { signal });
  } catch (cause) {
    throw new OsaError('interrupted', 'interrupted', { cause });
  }
}
