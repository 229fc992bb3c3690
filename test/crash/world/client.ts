import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type SigningKey, signToken } from '@osa/core/auth/sign-token';
import { Agent, fetch } from 'undici';
import type { Model, Written } from '../invariants/model.ts';
import type { Random } from '../random.ts';
import type { Daemons } from './daemons.ts';

/** One write, told until there is an answer: to any daemon, and always under the same key. */
export interface Write {
  readonly method: 'POST' | 'PUT' | 'PATCH';
  readonly path: string;
  readonly type: 'application/json' | 'application/x-ndjson' | 'application/octet-stream';
  readonly body: string | Buffer;
  /** Codes of refusals that are answers. */
  readonly accept?: readonly string[];
  /** False for one that finds by itself what an earlier try has done; undefined is true. */
  readonly keyed?: boolean;
  /** Whether the outbox does not tell of it. */
  readonly untold?: boolean;
  /** A part of a file: whether it writes anything depends on what came before it. */
  readonly isPart?: true;
}

export interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** The code, of a refusal. */
  readonly code: string | undefined;
}

export interface Client {
  /** The subject of its tokens. */
  readonly subject: string;
  /** Reads JSON; undefined for what is not there. */
  read<T>(path: string): Promise<T | undefined>;
  write(request: Write): Promise<Answered>;
}

const answerWithinMs = 60_000;
const tryMs = 12_000;
const scopes = [
  ...['conventions:write', 'hooks:write', 'ingestions:write', 'ingestions:read', 'runs:read'],
  'replays:write',
  'depositions:write',
  'depositions:review',
];

export interface ClientParts {
  readonly subject: string;
  readonly daemons: Daemons;
  readonly key: SigningKey;
  readonly random: Random;
  readonly model: Model;
}

export function createClient({ subject, daemons, key, random, model }: ClientParts): Client {
  const dispatcher = new Agent({ keepAliveTimeout: 1_000, connectTimeout: 2_000 });
  const once = async (
    request: Write,
    { key: idempotencyKey, tokens }: { readonly key: string; readonly tokens: string[] },
  ): Promise<Answered | undefined> => {
    const urls = daemons.urls();
    if (urls.length === 0) return undefined;
    const token = await tokenOf(key, subject);
    tokens.push(idOf(token));
    try {
      const response = await fetch(`${random.pick(urls)}${request.path}`, {
        method: request.method,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': request.type,
          ...(request.keyed === false ? {} : { 'idempotency-key': idempotencyKey }),
        },
        body: request.body,
        dispatcher,
        signal: AbortSignal.timeout(tryMs),
      });
      const body = (await response.json()) as Record<string, unknown>;
      const code = response.ok ? undefined : String(body.code);
      return { status: response.status, body, code };
    } catch {
      // No answer, or half of one: what came of it is not known.
      return undefined;
    }
  };
  return {
    subject,
    read: <T>(path: string) => readJson<T>(path, { daemons, random, token: () => tokenOf(key, subject) }),
    async write(request) {
      const written: Written = {
        what: `${request.method} ${request.path}`,
        keyed: request.keyed !== false,
        isPart: request.isPart === true,
        tokens: [],
        end: 'unknown',
        untold: request.untold === true,
      };
      model.writes.push(written);
      const tried = { key: randomUUID(), tokens: written.tokens };
      const deadline = Date.now() + answerWithinMs;
      for (;;) {
        const answered = await once(request, tried);
        if (answered) {
          const { code } = answered;
          if (code === undefined || request.accept?.includes(code)) {
            written.end = code === undefined ? 'done' : 'refused';
            return answered;
          }
          const passing = ['unavailable', 'busy', 'interrupted', 'in_progress'].includes(code);
          const strange = `${written.what}: ${JSON.stringify(answered.body)}`;
          if (!passing && answered.status < 500) throw new Error(strange);
          if (!passing) model.strangeAnswers.push(strange);
        }
        if (Date.now() > deadline) {
          throw new Error(`${written.what}: no answer within ${answerWithinMs} ms`);
        }
        await delay(80);
      }
    },
  };
}

function tokenOf(key: SigningKey, subject: string): Promise<string> {
  const claims = { issuer: 'osa-dev', audience: 'osa-dev', subject, scopes, lifetimeSeconds: 300 };
  return signToken(key, claims);
}

async function readJson<T>(
  path: string,
  { daemons, random, token }: Pick<ClientParts, 'daemons' | 'random'> & { token(): Promise<string> },
): Promise<T | undefined> {
  const deadline = Date.now() + answerWithinMs;
  for (;;) {
    const headers = { authorization: `Bearer ${await token()}` };
    const urls = daemons.urls();
    const signal = AbortSignal.timeout(tryMs);
    const ask = () => fetch(`${random.pick(urls)}${path}`, { headers, signal }).catch(() => undefined);
    const response = urls.length === 0 ? undefined : await ask();
    if (response?.ok) return (await response.json()) as T;
    if (response?.status === 404) return undefined;
    if (Date.now() > deadline) throw new Error(`GET ${path}: status ${response?.status}`);
    await delay(80);
  }
}

/** The id in the claims of a token, by which the outbox names who asked. */
function idOf(token: string): string {
  const [, claims = ''] = token.split('.');
  const { jti } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { readonly jti: string };
  return jti;
}
