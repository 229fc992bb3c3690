import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import Provider, { type JWK } from 'oidc-provider';
import { compact } from '../publishers/openid.ts';

/** A real OpenID provider on loopback, which knows one client and everybody who gives a name. */
export interface TestProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** An ID token that the provider could have signed, or one that another key has. */
  idToken(claims: Readonly<Record<string, unknown>>, key?: 'own' | 'another'): string;
  /** Answers instead of the provider where it answers anything but undefined. */
  interfere(instead: ((request: IncomingMessage) => Interference | undefined) | undefined): void;
}

export interface Interference {
  readonly status: number;
  readonly json?: unknown;
}

export async function testProvider(callback: string): Promise<TestProvider> {
  let instead: ((request: IncomingMessage) => Interference | undefined) | undefined;
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const server: Server = createServer((request, response) => {
    const answer = instead?.(request);
    if (answer === undefined) {
      handle(request, response);
      return;
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.json ?? {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const keys = { own: rsaKey(), another: rsaKey() };
  const [clientId, clientSecret] = ['archive', 'a secret of this test'];
  const provider = new Provider(issuer, {
    clients: [
      {
        ...{ client_id: clientId, client_secret: clientSecret, redirect_uris: [callback] },
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    jwks: { keys: [{ ...keys.own.export({ format: 'jwk' }), kid: 'own', alg: 'RS256', use: 'sig' } as JWK] },
    claims: { openid: ['sub'], profile: ['name'] },
    pkce: { required: () => true },
    findAccount: (_context, sub) => ({
      accountId: sub,
      claims: () => ({ sub, name: sub.startsWith('nameless') ? undefined : `Dr ${sub}` }),
    }),
  });
  handle = provider.callback();
  return {
    issuer,
    clientId,
    clientSecret,
    idToken: (claims, key = 'own') =>
      compact({ alg: 'RS256', typ: 'JWT', kid: 'own' }, { iss: issuer, aud: clientId, ...claims }, keys[key]),
    interfere(other) {
      instead = other;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function rsaKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
}

/** A daemon has to know its address before it listens, since the provider knows it. */
export async function freePort(): Promise<number> {
  const server = createSocketServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
