import { Readable } from 'node:stream';
import type { Answer, RouteName } from '@osa/core/api';
import type { Problem } from '@osa/core/api/problem';
import { type ErrorCode, errorCodes, OsaError } from '@osa/core/error';
import { parseExactJson } from '@osa/core/json/exact';
import type { Server } from '../config/config.ts';
import { RefusalFromServer } from '../terminal/output.ts';
import type { HttpResponse } from './request.ts';

/**
 * The body of a success, checked against the route's shape.
 *
 * @throws OsaError `internal` when it does not have that shape.
 */
export async function readAnswer<N extends RouteName>(
  name: N,
  response: HttpResponse,
  server: Server,
): Promise<Answer<N>> {
  const { routeNamed } = await import('./route-named.ts');
  const { path, response: shape } = await routeNamed(name);
  if (shape === 'text' || shape === 'markdown' || shape === 'html') return response.text as Answer<N>;
  if (shape === 'bytes') return response.bytes as Answer<N>;
  if (shape === 'archive' || shape === 'file' || shape === 'table')
    return Readable.from([response.bytes]) as Answer<N>;
  const body = parseExactly(response.text);
  // Code made for the shape would take longer than a command's few answers do without.
  const parsed = shape.safeParse(body, { jitless: true });
  if (parsed.success) return parsed.data as Answer<N>;
  if (body === undefined) throw noServer(server, 'its answer is not JSON');
  const [issue] = parsed.error.issues;
  const found = `${issue?.path.join('.') || 'body'}: ${issue?.message}`;
  throw new OsaError(
    'internal',
    `the answer of ${path} is not what this version of osa expects (${found}); compare \`osa --version\` with the server's`,
    { cause: parsed.error },
  );
}

/**
 * The refusal in `response`, as the server put it. Anything but an RFC 9457 problem of ours comes from something
 * else on the way, such as a proxy.
 */
export async function problemError(
  response: HttpResponse,
  server: Server,
  { hadToken }: { readonly hadToken: boolean },
): Promise<OsaError> {
  const { status } = response;
  const problem = await problemOf(response);
  if (problem) {
    const { code, message, field, details, request_id } = problem;
    // Every route that osa calls is one of an osa server.
    if (status === 404 && 'routes' in (details ?? {})) throw noServer(server, 'it has no route there');
    const known = isErrorCode(code) ? code : codeOfStatus(status);
    // The id leads to the line of the daemon's log.
    const named = status >= 500 && request_id !== undefined ? ` (request ${request_id})` : '';
    return new RefusalFromServer(known, `${message}${(hadToken && advice[known]) || ''}${named}`, {
      ...{ field, details: { ...details, ...(request_id !== undefined && { request_id }) } },
    });
  }
  return noServer(server, `status ${status}`, codeOfStatus(status));
}

/** Whether the server itself refused with one of `codes`. */
export async function isOwnProblem(response: HttpResponse, ...codes: readonly ErrorCode[]): Promise<boolean> {
  if (response.status < 400) return false;
  const problem = await problemOf(response);
  return problem !== undefined && codes.some((code) => code === problem.code);
}

async function problemOf({ text, contentType }: HttpResponse): Promise<Problem | undefined> {
  const { Problem } = await import('@osa/core/api/problem');
  return Problem.safeParse(contentType.includes('json') ? parseExactly(text) : undefined).data;
}

function noServer({ url, from }: Server, why: string, code: ErrorCode = 'not_found'): OsaError {
  const message = `${url} is not an osa server (${why}); is the URL right? It comes from ${from}`;
  return new OsaError(code, message, { details: { url } });
}

/** Advice that the server cannot give, about the token of a request. */
const advice: Readonly<Partial<Record<ErrorCode, string>>> = {
  invalid_token: '; `osa auth check` finds out why',
  access_denied: '; `osa auth whoami` shows what you may do',
};

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'invalid_token';
  if (status === 403) return 'access_denied';
  if (status === 404) return 'not_found';
  if (status === 502 || status === 503 || status === 504) return 'unavailable';
  return status >= 500 ? 'internal' : 'invalid';
}

/** The JSON in `text` with no number rounded. Text that is not JSON is undefined, which no shape accepts. */
export function parseExactly(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
