import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from '@osa/core/api/problem';
import { readPrivateKey, signToken, type TokenRequest } from '@osa/core/auth/sign-token';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { request } from 'undici';

/** Plain HTTP to an `osad --dev` of its own process, signed with the key of its directory. */
export interface Http {
  readonly url: string;
  readonly port: number;
  /** An Authorization header. */
  bearer(changes?: Partial<TokenRequest>): Promise<string>;
  send(method: string, path: string, options?: Sending): Promise<Reply>;
  get(path: string): Promise<Reply>;
  /** Packs a directory and stores it; the answer is its digest. */
  upload(directory: string): Promise<string>;
}

export interface Sending {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Sent as the body, in place of `body`. */
  readonly json?: unknown;
}

export interface Reply {
  readonly status: number;
  readonly text: string;
  /** The parsed body; undefined where it is no JSON. */
  readonly json: unknown;
  /** The body of a refusal. */
  readonly problem: Problem | undefined;
}

const everything = ['conventions:write', 'hooks:write', 'ingestions:write', 'ingestions:read', 'runs:read'];

/** `directory` is the one that the daemon was started in. */
export async function signedHttp(url: string, directory: string): Promise<Http> {
  const path = join(directory, '.osa/dev-key.jwk');
  const key = await readPrivateKey(await readFile(path, 'utf8'), path);
  const claims = { issuer: 'osa-dev', audience: 'osa-dev', subject: 'tester', lifetimeSeconds: 300 };
  const bearer = async (changes: Partial<TokenRequest> = {}) =>
    `Bearer ${await signToken(key, { ...claims, scopes: everything, ...changes })}`;
  const send: Http['send'] = async (method, target, { headers = {}, body, json } = {}) => {
    const content = json === undefined ? body : JSON.stringify(json);
    const answer = await request(`${url}${target}`, {
      method: method as 'GET',
      headers: {
        authorization: await bearer(),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: content ?? null,
    });
    return toReply(answer.statusCode, String(answer.headers['content-type']), await answer.body.text());
  };
  return {
    url,
    port: Number(new URL(url).port),
    bearer,
    send,
    get: (target) => send('GET', target),
    async upload(source) {
      const { digest, open } = await packDirectory(source);
      const body = Buffer.concat(await open().toArray());
      const headers = { 'content-type': 'application/octet-stream' };
      const { status, text } = await send('PUT', `/api/v1/blobs/${digest.slice(7)}`, { headers, body });
      if (status !== 200) throw new Error(`the upload of ${source} was answered with ${status}: ${text}`);
      return digest;
    },
  };
}

function toReply(status: number, contentType: string, text: string): Reply {
  const json: unknown = /^application\/(problem\+)?json\b/.test(contentType) ? JSON.parse(text) : undefined;
  return { status, text, json, problem: status >= 400 ? (json as Problem) : undefined };
}
