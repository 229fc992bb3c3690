import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import type { IdTokenSource } from '../config/ci-identity.ts';
import type { Sources } from '../config/config.ts';
import { proxyFor } from '../config/proxy.ts';
import type { Client } from './client.ts';
import { send, wayThrough } from './request.ts';

/** Takes the ID token of this CI job to the server, for a token of the archive. One exchange serves a whole command. */
export async function exchangeIdToken(
  call: Client['call'],
  source: IdTokenSource,
  context: { readonly sources: Sources; readonly signal: AbortSignal },
): Promise<Answer<'exchangeToken'>> {
  const token = source.kind === 'given' ? source.token : await askGithub(call, source, context);
  try {
    return await call('exchangeToken', { body: { token } });
  } catch (error) {
    const known = asOsaError(error);
    if (known?.code !== 'invalid_token') throw error;
    const again =
      source.kind === 'given'
        ? '; OSA_ID_TOKEN is taken once: a job with several commands runs first: export OSA_TOKEN="$(osa token)"'
        : '';
    throw new OsaError('credentials', `${known.message}${again}`, { details: known.details, cause: error });
  }
}

/** @throws OsaError `credentials` where GitHub gives none, `unreachable` where its endpoint does not answer */
async function askGithub(
  call: Client['call'],
  { url: address, bearer }: Extract<IdTokenSource, { kind: 'github' }>,
  { sources, signal }: { readonly sources: Sources; readonly signal: AbortSignal },
): Promise<string> {
  const { exchange_audience } = await call('listIssuers', {});
  const url = new URL(address);
  url.searchParams.set('audience', exchange_audience);
  const proxy = proxyFor(url, sources.environment);
  const answer = await send({
    ...{ url, signal, method: 'GET', repeatable: true, way: wayThrough(proxy) },
    headers: { accept: 'application/json', authorization: `Bearer ${bearer}`, 'user-agent': 'osa' },
  }).catch((error: unknown) => {
    throw ofGithub(error, url);
  });
  const value = answer.status === 200 ? idTokenOf(answer.text) : undefined;
  if (value !== undefined) return value;
  throw new OsaError(
    'credentials',
    `GitHub gives this job no ID token (status ${answer.status}); give the job "permissions: id-token: write"`,
  );
}

/** The advice of `send` is about an osa server, which this is not. */
function ofGithub(error: unknown, { origin }: URL): unknown {
  const known = asOsaError(error);
  if (known?.code !== 'unreachable') return error;
  const why = 'proxy' in known.details ? known.message : `it does not answer (${known.details.code})`;
  return new OsaError(
    'unreachable',
    `GitHub gives this job no ID token from ${origin}, the endpoint of ACTIONS_ID_TOKEN_REQUEST_URL: ${why}; run the job again, ` +
      'or set OSA_TOKEN',
    { details: known.details, cause: error },
  );
}

function idTokenOf(text: string): string | undefined {
  try {
    const { value } = JSON.parse(text) as { readonly value?: unknown };
    return typeof value === 'string' ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
