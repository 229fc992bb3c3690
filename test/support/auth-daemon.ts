import type { TrustedIssuers } from '@osa/core/auth/issuer';
import type { DaemonConfig } from '@osa/daemon/config/config';
import { expect } from 'vitest';
import {
  attacker,
  good,
  type KeyPair,
  ours,
  secret as primarySecret,
  rotated,
  trustedForTests,
} from './auth-support.ts';
import {
  deployRequest,
  type Received,
  rawConnection,
  type TestDaemon,
  testDaemon,
} from './daemon-support.ts';
import { digestOf } from './database/registry-support.ts';

/** A daemon that trusts the issuers of `auth-support.ts`, and how it takes a token. It answers and runs no batches. */
export interface AuthDaemon {
  readonly daemon: TestDaemon;
  /** Asks who the token's bearer is. */
  whoami(authorization: string): Promise<Received>;
  /** Asks for what takes `hooks:write` on `hook`, which is `probe`. */
  write(authorization: string, hook?: string): Promise<Received>;
  /** The first line of the answer to a header that no client would send. */
  raw(authorization: string): Promise<string>;
  /** Every header that was sent with these. */
  readonly presented: readonly string[];
}

export interface AuthDaemonOptions {
  readonly trusted?: Partial<TrustedIssuers>;
  readonly http?: DaemonConfig['http'];
  readonly trustedProxies?: DaemonConfig['trustedProxies'];
}

export async function authDaemon({ trusted, http, ...others }: AuthDaemonOptions = {}): Promise<AuthDaemon> {
  const daemon = await testDaemon({
    part: 'server',
    worker: { name: 'none', isInherited: true, concurrency: 0, perHook: 1, leaseSeconds: 30 },
    trusted: { ...(await trustedForTests()), ...trusted },
    http: { failedAuthentications: 100_000, ...http },
    ...others,
  });
  const presented: string[] = [];
  const headerOf = (authorization: string) => {
    presented.push(authorization);
    // Headers are bytes; this sends those of UTF-8.
    return Buffer.from(authorization).toString('latin1');
  };
  return {
    daemon,
    presented,
    whoami: (authorization) =>
      daemon.send('GET', '/api/v1/auth/me', { headers: { authorization: headerOf(authorization) } }),
    write: (authorization, hook = 'probe') =>
      daemon.send('POST', `/api/v1/hooks/${hook}/resume`, {
        headers: { authorization: headerOf(authorization), 'content-type': 'application/json' },
        body: '{}',
      }),
    async raw(authorization) {
      const { socket, closed, received } = await rawConnection(daemon.port);
      const lines = ['GET /api/v1/auth/me HTTP/1.1', 'Host: localhost', 'Connection: close'];
      socket.write([...lines, `Authorization: ${headerOf(authorization)}`, '', ''].join('\r\n'), 'latin1');
      await closed;
      return received().split('\r\n', 1)[0] ?? '';
    },
  };
}

/** Deploys hooks that `write` can name. */
export async function deployHooks({ daemon }: AuthDaemon): Promise<void> {
  const hook = (name: string) => ({
    name,
    feature: { cardinality: 'one', columns: [{ name: 'value', json_type: 'number', required: true }] },
    release: { image: 'example', digest: digestOf(name), source_ref: 'git:1' },
  });
  const { status } = await daemon.send('POST', '/api/v1/conventions', {
    headers: {
      authorization: `Bearer ${good({ scope: 'conventions:write' })}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(deployRequest(['probe', 'seismic_energy', 'felt_radius'].map(hook))),
  });
  expect(status).toBe(201);
}

/** The length of a piece that cannot be elsewhere by chance. */
const pieceLength = 16;

/**
 * Pieces of presented tokens and of secrets that stand in a line of the log or in a row of any table, as text or as
 * hexadecimal digits, with where they were found.
 */
export async function leaksOf({ daemon, presented }: AuthDaemon): Promise<string[]> {
  const places = [['the log', daemon.log.join('\n')] as const, ...(await tablesOf(daemon))];
  // Each run of 23 characters holds a whole piece, wherever it begins.
  const there = new Set(places.flatMap(([, text]) => piecesOf(text)));
  const wanted = new Set([...presented.flatMap(textsOf), ...secrets]);
  const found = [...wanted].flatMap((text) => piecesOf(text, 8).filter((piece) => there.has(piece)));
  return [...new Set(found)].map((piece) => {
    const [name] = places.find(([, text]) => text.includes(piece)) ?? [];
    return `${name}: ${piece}`;
  });
}

/** All that is stored, by table. */
async function tablesOf({ database }: TestDaemon): Promise<[string, string][]> {
  const { sql } = database.open(database.ownerUrl, { max: 1 });
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`;
  return Promise.all(
    tables.map(async ({ name }) => {
      const rows = await sql.unsafe<{ text: string }[]>(`select to_jsonb(t)::text as text from ${name} t`);
      return [name, rows.map(({ text }) => text).join('\n')] as [string, string];
    }),
  );
}

const privateOf = ({ privateKey }: KeyPair) => String(privateKey.export({ format: 'jwk' }).d);
const secrets = [
  primarySecret.toString(),
  primarySecret.toString('hex'),
  primarySecret.toString('base64url'),
  ...[ours, attacker, rotated.first, rotated.second].map(privateOf),
];

/** The parts of the token in a header, and the same in other spellings; of a long part its ends. */
function textsOf(authorization: string): string[] {
  const texts = authorization.replace(/^Bearer +/, '').split('.');
  const ends = texts.flatMap((text) =>
    text.length > 4_000 ? [text.slice(0, 2_000), text.slice(-2_000)] : [text],
  );
  return ends.flatMap((text) => [
    text,
    Buffer.from(text).toString('hex'),
    Buffer.from(text, 'base64url').toString('hex'),
  ]);
}

function piecesOf(text: string, step = 1): string[] {
  const count = Math.max(0, Math.floor((text.length - pieceLength) / step) + 1);
  return Array.from({ length: count }, (_, n) => text.slice(n * step, n * step + pieceLength));
}
