import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { signed } from '@osa/core/storage/s3/sign';
import type { S3Target } from '@osa/core/storage/s3/target';
import { texts } from '@osa/core/storage/s3/xml';

/** The fault of one request: the store's refusal, or a broken connection. */
export type Fault =
  | { readonly answer: number; readonly code: string; readonly headers?: Readonly<Record<string, string>> }
  /** Closed before the request is carried out, or after it and before the answer. */
  | { readonly close: 'before' | 'after' }
  /** The body breaks off after so many bytes. */
  | { readonly tornAfter: number }
  /** 200 with an error in the body, as a join may answer. */
  | { readonly lateError: string }
  /** No answer at all. */
  | { readonly hang: true }
  /** The body stops after so many bytes, and the connection stays. */
  | { readonly stallAfter: number }
  /** Milliseconds between the quarters of a body. */
  | { readonly pausing: number };

export interface FakeS3 {
  readonly target: S3Target;
  readonly objects: Map<string, { bytes: Buffer; at: Date; etag: string }>;
  readonly uploads: Map<string, { key: string; at: Date; parts: Map<number, Buffer> }>;
  /** `METHOD key?query`, in order. */
  readonly requests: string[];
  /** Chooses a fault for a request by its line in `requests`. */
  fault: (line: string) => Fault | undefined;
  /** Milliseconds after each mebibyte of the first half of a body that it takes. */
  pauseMs: number;
  close(): Promise<void>;
}

export const fakeCredentials = { accessKeyId: 'AKIDFAKE', secretAccessKey: 'a-secret-of-the-fake-store' };
const region = 'eu-test-1';
const smallestPart = 5 * 2 ** 20;

/** An S3 server in memory that is stricter than real ones: it refuses whatever is not signed, hashed and named exactly. */
export async function fakeS3({ pageSize = 7 } = {}): Promise<FakeS3> {
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeS3 = {
    target: { bucket: 'archive', prefix: 'osa/test/', url: new URL(`${origin}/archive/`), region },
    objects: new Map(),
    uploads: new Map(),
    requests: [],
    fault: () => undefined,
    pauseMs: 0,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => {
        server.close(done);
      });
    },
  };
  return fake;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', origin);
    const body = await taken(request, fake.pauseMs);
    const key = decodeURIComponent(url.pathname).replace(/^\/archive\//, '');
    const line = `${request.method} ${key}${url.search}`;
    fake.requests.push(line);
    const fault = fake.fault(line);
    if (fault && 'hang' in fault) return;
    if (fault && 'close' in fault && fault.close === 'before') {
      request.socket.destroy();
      return;
    }
    if (fault && 'answer' in fault) {
      refuse(response, fault.answer, fault.code, fault.headers);
      return;
    }
    const flaw = flawOf(request, url, body);
    if (flaw !== undefined) {
      refuse(response, 403, flaw);
      return;
    }
    const answer = carryOut(request, { url, key, body });
    if (fault && 'close' in fault) request.socket.destroy();
    else if (fault && 'lateError' in fault) send(response, { status: 200, body: errorBody(fault.lateError) });
    else if (fault && 'stallAfter' in fault) sendSome(response, answer, fault.stallAfter);
    else if (fault && 'pausing' in fault) await sendSlowly(response, answer, fault.pausing);
    else send(response, answer, fault && 'tornAfter' in fault ? fault.tornAfter : undefined);
  }

  function flawOf({ method, headers }: IncomingMessage, url: URL, body: Buffer): string | undefined {
    const bodySha256 = createHash('sha256').update(body).digest('hex');
    if (headers['x-amz-content-sha256'] !== bodySha256) return 'XAmzContentSHA256Mismatch';
    const date = String(headers['x-amz-date']).replace(
      /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/,
      '$1-$2-$3T$4:$5:$6Z',
    );
    const names = /SignedHeaders=([^,]*)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? [];
    const own = names.filter((name) => !['host', 'x-amz-date', 'x-amz-content-sha256'].includes(name));
    const expected = signed(
      {
        method: method ?? '',
        url,
        headers: Object.fromEntries(own.map((name) => [name, String(headers[name])])),
        bodySha256,
      },
      { credentials: fakeCredentials, region, at: new Date(date) },
    );
    if (Math.abs(Date.now() - Date.parse(date)) > 900_000) return 'RequestTimeTooSkewed';
    if (!headers.authorization?.includes(fakeCredentials.accessKeyId)) return 'InvalidAccessKeyId';
    return expected.authorization === headers.authorization ? undefined : 'SignatureDoesNotMatch';
  }

  interface Asked {
    readonly url: URL;
    readonly key: string;
    readonly body: Buffer;
  }

  function carryOut({ method, headers }: IncomingMessage, { url, key, body }: Asked): Result {
    const query = url.searchParams;
    const upload = query.get('uploadId');
    if (method === 'GET' && key === '') return query.has('uploads') ? listUploads() : listObjects(query);
    if (method === 'POST' && query.has('uploads')) return begin(key);
    if (upload !== null)
      return part(method ?? '', { key, upload, number: Number(query.get('partNumber')), body });
    if (method === 'PUT') return store(key, body, md5(body));
    const object = fake.objects.get(key);
    if (method === 'DELETE') {
      fake.objects.delete(key);
      return { status: 204 };
    }
    if (object === undefined) return failed(404, 'NoSuchKey');
    const described = { etag: object.etag, 'last-modified': object.at.toUTCString() };
    if (method === 'HEAD') return { status: 200, headers: described, length: object.bytes.length };
    if (headers['if-match'] !== undefined && headers['if-match'] !== object.etag)
      return failed(412, 'PreconditionFailed');
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    if (start === undefined) return { status: 200, headers: described, body: object.bytes };
    if (Number(start) >= object.bytes.length) return failed(416, 'InvalidRange');
    return { status: 206, headers: described, body: object.bytes.subarray(Number(start), Number(end) + 1) };
  }

  function store(key: string, bytes: Buffer, etag: string): Result {
    fake.objects.set(key, { bytes: Buffer.from(bytes), at: new Date(), etag });
    return { status: 200, headers: { etag } };
  }

  function begin(key: string): Result {
    const id = `${randomUUID()}+/=&`;
    fake.uploads.set(id, { key, at: new Date(), parts: new Map() });
    return { status: 200, body: `<R><UploadId>${id.replace('&', '&amp;')}</UploadId></R>` };
  }

  function part(
    method: string,
    { key, upload, number, body }: { key: string; upload: string; number: number; body: Buffer },
  ): Result {
    const known = fake.uploads.get(upload);
    if (known?.key !== key) return failed(404, 'NoSuchUpload');
    if (method === 'DELETE') {
      fake.uploads.delete(upload);
      return { status: 204 };
    }
    if (method === 'PUT') {
      known.parts.set(number, body);
      return { status: 200, headers: { etag: md5(body) } };
    }
    const numbers = texts(body.toString(), 'PartNumber').map(Number);
    const tags = texts(body.toString(), 'ETag').map((tag) => tag.replaceAll('&quot;', '"'));
    const parts = numbers.map((one) => known.parts.get(one) ?? Buffer.alloc(0));
    if (parts.length === 0 || numbers.some((one, index) => one !== index + 1))
      return failed(400, 'InvalidPartOrder');
    if (parts.some((one, index) => md5(one) !== tags[index])) return failed(400, 'InvalidPart');
    if (parts.slice(0, -1).some((one) => one.length < smallestPart)) return failed(400, 'EntityTooSmall');
    fake.uploads.delete(upload);
    return { ...store(key, Buffer.concat(parts), `"${randomUUID()}-${parts.length}"`), body: '<R/>' };
  }

  function listObjects(query: URLSearchParams): Result {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const keys = [...fake.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, pageSize);
    const entries = page.map((key) => {
      const { bytes, at } = fake.objects.get(key) as { bytes: Buffer; at: Date };
      const name = encodeURIComponent(key).replaceAll('%20', '+');
      return `<Contents><Key>${name}</Key><LastModified>${at.toISOString()}</LastModified><Size>${bytes.length}</Size></Contents>`;
    });
    const isCut = keys.length > page.length;
    const next = isCut ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    return { status: 200, body: `<R><IsTruncated>${isCut}</IsTruncated>${next}${entries.join('')}</R>` };
  }

  function listUploads(): Result {
    const entries = [...fake.uploads].map(
      ([id, { key, at }]) =>
        `<Upload><Key>${key}</Key><UploadId>${id.replace('&', '&amp;')}</UploadId><Initiated>${at.toISOString()}</Initiated></Upload>`,
    );
    return { status: 200, body: `<R><IsTruncated>false</IsTruncated>${entries.join('')}</R>` };
  }
}

interface Result {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** The length of the body that a HEAD does not have. */
  readonly length?: number;
}

function send(
  response: ServerResponse,
  { status, headers = {}, body = '', length }: Result,
  tornAfter?: number,
) {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    ...headers,
    ...(status !== 204 && { 'content-length': length ?? bytes.length }),
  });
  if (tornAfter === undefined || bytes.length <= tornAfter) response.end(bytes);
  else response.write(bytes.subarray(0, tornAfter), () => response.destroy());
}

/** Sends the headers of all, and so many bytes. */
function sendSome(response: ServerResponse, { status, headers = {}, body = '' }: Result, size: number): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { ...headers, 'content-length': bytes.length });
  response.write(bytes.subarray(0, size));
}

async function sendSlowly(response: ServerResponse, answer: Result, pauseMs: number): Promise<void> {
  const bytes = Buffer.from(answer.body ?? '');
  const quarter = Math.ceil(bytes.length / 4);
  sendSome(response, answer, quarter);
  for (let at = quarter; at < bytes.length; at += quarter) {
    await wait(pauseMs);
    response.write(bytes.subarray(at, at + quarter));
  }
  response.end();
}

/** The body of a request, taken with pauses. */
async function taken(request: IncomingMessage, pauseMs: number): Promise<Buffer> {
  if (pauseMs === 0) return buffer(request);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Uint8Array>) {
    pieces.push(piece);
    const before = size >> 20;
    size += piece.length;
    const isFirstHalf = size < Number(request.headers['content-length']) / 2;
    if (isFirstHalf && size >> 20 > before) await wait(pauseMs);
  }
  return Buffer.concat(pieces);
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(response, { status, headers, body: errorBody(code) });
}

function failed(status: number, code: string): Result {
  return { status, body: errorBody(code) };
}

function errorBody(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>refused by the fake</Message></Error>`;
}

function md5(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}
