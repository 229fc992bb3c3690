import { setTimeout as wait } from 'node:timers/promises';
import { OsaError } from '../../error.ts';
import { streamed } from '../../file/buffer-memory.ts';
import { exchange, type Incoming, type Outgoing } from './exchange.ts';
import { type Failure, failureOf, faultOf, isPassing, unreachable } from './failure.ts';
import { type Credentials, sha256, signed } from './sign.ts';
import type { S3Target } from './target.ts';

export interface S3Options {
  readonly target: S3Target;
  readonly credentials: Credentials;
  readonly patience?: Partial<Patience> | undefined;
}

export interface Patience {
  /** Tries of one request. */
  readonly tries: number;
  /** The wait before the second try; it doubles, up to `mostWaitMs`. */
  readonly waitMs: number;
  readonly mostWaitMs: number;
  /** For one try: until an answer begins, and between two pieces of a body, up or down. */
  readonly timeoutMs: number;
  /** The longest time without an answer in all tries of a request together. */
  readonly silenceMs: number;
  /** For the answer to a request that joins parts, which may take long. */
  readonly joinMs: number;
}

const usualPatience: Patience = {
  tries: 6,
  waitMs: 200,
  mostWaitMs: 5_000,
  timeoutMs: 10_000,
  silenceMs: 20_000,
  joinMs: 300_000,
};

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Empty for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Statuses that are answers and no failures, besides 2xx. */
  readonly accepts?: readonly number[];
  /** Instead of the patience's. */
  readonly timeoutMs?: number;
  readonly silenceMs?: number;
}

/** An answer whose body has not been read. */
export interface S3Answer {
  readonly status: number;
  readonly headers: Headers;
  /** All of a small body. @throws when it breaks off, or is longer than a few megabytes */
  text(): Promise<string>;
  /** The pieces of the body; a pause of more than `timeoutMs` ends it. */
  pieces(): AsyncIterable<Uint8Array>;
  /** Closes the connection without reading the rest. */
  cancel(): void;
}

export interface S3Client {
  readonly target: S3Target;
  readonly patience: Patience;
  /**
   * Sends a request, again where that may help, and reads the answer by `read`, which is tried again too.
   *
   * @throws OsaError `unavailable` that says what is wrong with the store
   */
  send<T>(request: S3Request, read: (answer: S3Answer) => Promise<T>): Promise<T>;
}

export function s3Client({ target, credentials, patience = {} }: S3Options): S3Client {
  const own = { ...usualPatience, ...patience };
  return {
    target,
    patience: own,
    async send(request, read) {
      const silenceMs = request.silenceMs ?? own.silenceMs;
      let leftMs = silenceMs;
      // The last pieces of a large body may be on their way for long after they were written.
      const isLarge = (request.body?.length ?? 0) > 2 ** 20;
      const eachMs = request.timeoutMs ?? (isLarge ? silenceMs : own.timeoutMs);
      for (let tried = 1; ; tried += 1) {
        const timeoutMs = Math.min(leftMs, eachMs);
        const result = await attempt(request, timeoutMs, read);
        if ('value' in result) return result.value;
        const { failure } = result;
        leftMs = failure.code === 'timeout' ? leftMs - timeoutMs : silenceMs;
        if (tried >= own.tries || leftMs <= 0 || !isPassing(failure)) throw asError(failure, request);
        await wait(pauseMs(own, tried, failure.retryAfterMs));
      }
    },
  };

  async function attempt<T>(
    request: S3Request,
    timeoutMs: number,
    read: (answer: S3Answer) => Promise<T>,
  ): Promise<{ readonly value: T } | { readonly failure: Failure }> {
    const controller = new AbortController();
    const timer = restartableTimer(timeoutMs, () => controller.abort());
    let isSending = true;
    const onSent = () => {
      if (isSending) timer.restart();
    };
    try {
      const incoming = await exchange({ ...outgoing(request), signal: controller.signal, onSent });
      isSending = false;
      timer.restart();
      const { status } = incoming;
      const answer = answerOf(incoming, timer);
      const isFine = (status >= 200 && status < 300) || request.accepts?.includes(status);
      if (isFine) return { value: await read(answer) };
      return { failure: failureOf(incoming, await answer.text().catch(() => '')) };
    } catch (error) {
      if (error instanceof OsaError) throw error;
      return { failure: unreachable(error, { isLate: controller.signal.aborted }) };
    } finally {
      isSending = false;
      timer.stop();
    }
  }

  function outgoing(request: S3Request): Omit<Outgoing, 'signal' | 'onSent'> {
    const { method, key, query = {}, headers = {}, body } = request;
    const url = new URL(target.url);
    url.pathname += key.split('/').map(encodeURIComponent).join('/');
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    // A store signs `%20`, and not `+`.
    url.search = url.search.replaceAll('+', '%20');
    const unsigned = { method, url, headers, bodySha256: sha256(body ?? '') };
    const all = signed(unsigned, { credentials, region: target.region, at: new Date() });
    return { url, method, headers: all, body };
  }

  function asError(failure: Failure, { method, key }: S3Request): OsaError {
    const { code, status, cause } = failure;
    const place = `s3://${target.bucket}/${key === '' ? target.prefix : key}`;
    return new OsaError('unavailable', `The store ${place} at ${target.url.host}: ${failure.message}`, {
      // Swift says 409 of an object that has lost a part.
      details: {
        code,
        status,
        method,
        key,
        fault: faultOf(failure),
        isBroken: method === 'GET' && status === 409,
      },
      cause,
    });
  }
}

function pauseMs({ waitMs, mostWaitMs }: Patience, tried: number, askedMs: number | undefined): number {
  const own = Math.min(mostWaitMs, waitMs * 2 ** (tried - 1));
  // Many clients that were refused together do not come again together.
  return Math.min(mostWaitMs, askedMs ?? 0) + own * (0.5 + Math.random() / 2);
}

interface Timer {
  restart(): void;
  stop(): void;
}

function restartableTimer(ms: number, done: () => void): Timer {
  let timer = setTimeout(done, ms);
  return {
    restart() {
      clearTimeout(timer);
      timer = setTimeout(done, ms);
    },
    stop: () => clearTimeout(timer),
  };
}

const mostText = 8 * 2 ** 20;

function answerOf({ status, headers, body }: Incoming, timer: Timer): S3Answer {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const chunks: AsyncIterable<Uint8Array> = body;
    for await (const piece of chunks) {
      timer.stop();
      yield piece;
      streamed(piece);
      timer.restart();
    }
  }
  return {
    status,
    headers,
    pieces,
    async text() {
      const found: Uint8Array[] = [];
      let size = 0;
      for await (const piece of pieces()) {
        size += piece.length;
        if (size > mostText) throw new Error(`an answer is longer than ${mostText} bytes`);
        found.push(piece);
      }
      return Buffer.concat(found).toString('utf8');
    },
    cancel: () => {
      body.destroy();
    },
  };
}
