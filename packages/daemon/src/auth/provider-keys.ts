import { type ProviderKey, providerKeys } from '@osa/core/auth/id-token';
import { isLoopback } from '@osa/core/auth/publisher/publisher';
import { OsaError } from '@osa/core/error';
import { parseJson } from '@osa/core/json/parse';
import type { JsonValue } from '@osa/core/json/value';
import type { Logger } from 'pino';

/** The keys that OpenID providers publish: discovered, cached, fetched again where a token names an unknown one. */
export interface ProviderKeys {
  /** @throws OsaError `busy` when they cannot be had, and none are kept */
  keys(issuer: string, kid: string | undefined): Promise<readonly ProviderKey[]>;
}

const freshMs = 600_000;
/** Kept keys are used this long where the provider does not answer. */
const staleMs = 86_400_000;
/** An unknown `kid` asks the provider this often at most, over all senders. */
const againMs = 30_000;
const timeoutMs = 5_000;
const mostBytes = 256 * 1024;
const mostProviders = 100;

interface Kept {
  readonly keys: readonly ProviderKey[];
  readonly fetchedAt: number;
}

export function cachedProviderKeys({
  log,
  now = Date.now,
}: {
  readonly log: Logger;
  readonly now?: () => number;
}): ProviderKeys {
  const kept = new Map<string, Kept>();
  const tried = new Map<string, number>();
  const fetching = new Map<string, Promise<Kept | undefined>>();
  const fetched = (issuer: string): Promise<Kept | undefined> => {
    const running = fetching.get(issuer);
    if (running) return running;
    tried.set(issuer, now());
    const work = fetchKeys(issuer)
      .then((keys) => {
        if (kept.size >= mostProviders) kept.clear();
        const found = { keys, fetchedAt: now() };
        kept.set(issuer, found);
        return found;
      })
      .catch((error: unknown) => {
        log.warn({ err: error, issuer }, 'cannot fetch the keys of a provider');
        return undefined;
      })
      .finally(() => fetching.delete(issuer));
    fetching.set(issuer, work);
    return work;
  };
  return {
    async keys(issuer, kid) {
      const known = kept.get(issuer);
      const age = known ? now() - known.fetchedAt : Number.POSITIVE_INFINITY;
      const isKnown = known?.keys.some((key) => kid === undefined || key.kid === kid) === true;
      if (known && age < freshMs && isKnown) return known.keys;
      const mayAsk = now() - (tried.get(issuer) ?? Number.NEGATIVE_INFINITY) >= againMs;
      const found = mayAsk || fetching.has(issuer) ? await fetched(issuer) : undefined;
      if (found) return found.keys;
      if (known && age < staleMs) return known.keys;
      throw new OsaError(
        'busy',
        `the keys of ${issuer} cannot be fetched; check that osad can reach it, then ask again in half a minute`,
        { details: { issuer, retry_after_seconds: againMs / 1_000 } },
      );
    },
  };
}

/** OpenID Connect Discovery: the document of the issuer names the address of its keys. */
async function fetchKeys(issuer: string): Promise<ProviderKey[]> {
  const configuration = await fetchObject(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { issuer: named, jwks_uri: address } = configuration;
  if (named !== issuer) throw new Error('its discovery document names another issuer');
  if (typeof address !== 'string') throw new Error('its discovery document has no jwks_uri');
  return providerKeys(await fetchObject(address));
}

async function fetchObject(address: string): Promise<{ readonly [name: string]: JsonValue }> {
  const url = new URL(address);
  if (url.protocol !== 'https:' && !isLoopback(url))
    throw new Error(`${url.origin} is not asked without TLS`);
  const answer = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!answer.ok || !answer.body) {
    await answer.body?.cancel();
    throw new Error(`${url.origin} answered with status ${answer.status}`);
  }
  const value = parseJson(await bounded(answer.body), { maxDepth: 16 });
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new Error(`${url.origin} answered with something else than an object`);
}

async function bounded(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > mostBytes) throw new Error(`it answered with more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
