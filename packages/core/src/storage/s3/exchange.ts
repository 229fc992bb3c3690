import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';

/** A request as it goes over the wire. */
export interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal;
}

export interface Incoming {
  readonly status: number;
  readonly headers: Headers;
  readonly body: IncomingMessage;
}

/**
 * Sends a request, and resolves when its answer begins. It follows no redirect. The body is not copied, as `fetch` would
 * do: the caller keeps it as it is until the answer is there.
 */
export function exchange({ url, method, headers, body, signal }: Outgoing): Promise<Incoming> {
  const { promise, resolve, reject } = Promise.withResolvers<Incoming>();
  const { request } = url.protocol === 'https:' ? https : http;
  request(url, { method, headers, signal })
    // A late error belongs to the answer, which fails by itself.
    .on('error', reject)
    .on('response', (answer) => {
      // It has no body, and gives its connection back once that is read.
      if (method === 'HEAD') answer.resume();
      resolve({ status: answer.statusCode ?? 0, headers: headersOf(answer), body: answer });
    })
    .end(body);
  return promise;
}

function headersOf({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  return headers;
}
