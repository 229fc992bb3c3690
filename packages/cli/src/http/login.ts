import type { Answer } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import type { Server, Sources } from '../config/config.ts';
import { type Login, storedLogin, storeLogin, whileLocked } from '../config/logins.ts';
import { RefusalFromServer } from '../terminal/output.ts';
import type { Client } from './client.ts';

/** A token that ends sooner is taken for a new one. */
const leastMs = 60_000;

/**
 * The access token of the login at `server`, refreshed where it is about to end, or where it is the one that the server has
 * refused: the refresh then says whether the login has ended.
 *
 * @throws OsaError `credentials` when the login has ended
 */
export async function loginToken(
  call: Client['call'],
  sources: Sources,
  server: Server,
  refused?: string,
): Promise<string> {
  const isGood = (login: Login) => login.accessToken !== refused && login.expiresAt - Date.now() > leastMs;
  const login = storedLogin(sources, server);
  if (login && isGood(login)) return login.accessToken;
  return whileLocked(sources, async () => {
    // Another osa may have refreshed it meanwhile.
    const current = storedLogin(sources, server);
    if (!current) throw ended(server);
    if (isGood(current)) return current.accessToken;
    const next = await refreshed(call, sources, server, current);
    await storeLogin(sources, server, next);
    return next.accessToken;
  });
}

export function loginOf(answer: Answer<'refreshLogin'>): Login {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in } = answer;
  return { accessToken, refreshToken, expiresAt: Date.now() + expires_in * 1_000 };
}

async function refreshed(
  call: Client['call'],
  sources: Sources,
  server: Server,
  { refreshToken }: Login,
): Promise<Login> {
  try {
    return loginOf(await call('refreshLogin', { body: { refresh_token: refreshToken } }));
  } catch (cause) {
    // Only the server itself ends a login; a gateway that refuses the request does not know it.
    if (!(cause instanceof RefusalFromServer) || cause.code !== 'invalid_token') throw cause;
    await storeLogin(sources, server, undefined);
    throw ended(server, cause);
  }
}

function ended({ url }: Server, cause?: unknown): OsaError {
  return new OsaError('credentials', `your login at ${url} has ended; log in again with: osa login`, {
    cause,
  });
}
