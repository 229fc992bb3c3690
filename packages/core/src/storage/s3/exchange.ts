import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';

/** A request as it goes over the wire. */
export interface Outgoing {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal;
  /** Called each time that a piece of the body has gone out. */
  readonly onSent: () => void;
}

/** A slow connection shows by such pieces that it makes progress. */
const pieceBytes = 256 * 1024;

export interface Incoming {
  readonly status: number;
  readonly headers: Headers;
  readonly body: IncomingMessage;
}

/**
 * Sends a request, and resolves when its answer begins. It follows no redirect. The body is not copied, as `fetch` would
 * do: the caller keeps it as it is until the answer is there.
 */
export function exchange({ url, method, headers, body, signal, onSent }: Outgoing): Promise<Incoming> {
  const { promise, resolve, reject } = Promise.withResolvers<Incoming>();
  const { request } = url.protocol === 'https:' ? https : http;
  const length = body && { 'content-length': String(body.length) };
  const sending = request(url, { method, headers: { ...headers, ...length }, signal })
    // A late error belongs to the answer, which fails by itself.
    .on('error', reject)
    .on('response', (answer) => {
      // It has no body, and gives its connection back once that is read.
      if (method === 'HEAD') answer.resume();
      resolve({ status: answer.statusCode ?? 0, headers: headersOf(answer), body: answer });
    });
  const sendFrom = (at: number): void => {
    if (body === undefined || at >= body.length) {
      sending.end();
      return;
    }
    sending.write(body.subarray(at, at + pieceBytes), (error) => {
      if (error) return;
      onSent();
      sendFrom(at + pieceBytes);
    });
  };
  sendFrom(0);
  return promise;
}

function headersOf({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  return headers;
}
