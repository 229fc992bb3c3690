import { createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { Answer } from '../../api/index.ts';
import { OsaError } from '../../error.ts';
import { sha256 } from '../../hook/release.ts';
import type { Answering, Identity, People } from './people.ts';

/**
 * A login by the device flow. A program begins it and shows a code. A person enters the code in a browser, says at the OpenID
 * provider who they are, and then allows the program to act for them. The browser keeps one secret in a cookie. State, nonce
 * and PKCE verifier are made of that secret, so the database holds nothing that could finish a login.
 */

/** Without vowels and what looks alike, as the existing archive has it. */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ2346789';
const codeLength = 8;
export const loginSeconds = 900;

export async function startLogin(
  people: People,
  {
    page,
    intervalSeconds,
    network,
  }: { readonly page: string; readonly intervalSeconds: number; readonly network: string },
): Promise<Answer<'startLogin'>> {
  const deviceCode = randomBytes(32).toString('hex');
  const userCode = Array.from({ length: codeLength }, () => alphabet[randomInt(alphabet.length)]).join('');
  const start = await people.start({
    deviceHash: sha256(deviceCode),
    userCode,
    network,
    lifetimeSeconds: loginSeconds,
  });
  if (start !== 'started') {
    const where = start === 'network_full' ? ' from this network' : '';
    throw new OsaError('busy', `too many logins are under way${where}; try again in some minutes`);
  }
  const shown = shownCode(userCode);
  const complete = `${page}?code=${shown}`;
  return {
    ...{ device_code: deviceCode, user_code: shown, verification_uri: complete },
    ...{ verification_uri_complete: complete, expires_in: loginSeconds, interval: intervalSeconds },
  };
}

export function shownCode(code: string): string {
  return `${code.slice(0, codeLength / 2)}-${code.slice(codeLength / 2)}`;
}

/** Made of the browser's secret, each for its own purpose. */
export interface BrowserSecrets {
  readonly state: string;
  readonly nonce: string;
  /** The PKCE verifier. */
  readonly verifier: string;
  /** Proves that a form is from a page that this browser was given. */
  readonly form: string;
}

export function browserSecrets(secret: string): BrowserSecrets {
  const made = (purpose: string) => createHmac('sha256', secret).update(purpose).digest('base64url');
  return { state: made('state'), nonce: made('nonce'), verifier: made('verifier'), form: made('form') };
}

/**
 * Ties the login with this code to a browser. The answer is the secret for its cookie.
 *
 * @throws OsaError `invalid_token` for a code that no login has, so that guesses are counted
 */
export async function enterCode(people: People, typed: string): Promise<string> {
  const code = typed.toUpperCase().replaceAll(/[\s-]/g, '');
  const secret = randomBytes(32).toString('base64url');
  const isCode = code.length === codeLength && [...code].every((letter) => alphabet.includes(letter));
  if (isCode && (await people.enter(code, sha256(secret)))) return secret;
  throw new OsaError(
    'invalid_token',
    'no login waits for this code; compare it with what osa login shows, or start osa login again',
  );
}

/**
 * Takes the provider's answer in the browser that was sent there, once.
 *
 * @throws OsaError `invalid_token`: no login of this browser, another state, or an answer that came before
 */
export async function takeAnswer(
  people: People,
  { secret, state }: { readonly secret: string | undefined; readonly state: string | null },
  identify: (secrets: BrowserSecrets) => Promise<Identity>,
): Promise<void> {
  if (secret === undefined) throw noLogin();
  const secrets = browserSecrets(secret);
  if (state === null || !isSame(state, secrets.state)) {
    throw new OsaError('invalid_token', 'the answer is not for this login; start osa login again');
  }
  const hash = sha256(secret);
  if (!(await people.answer(hash))) throw noLogin();
  if (!(await people.identify(hash, await identify(secrets)))) throw noLogin();
}

/** @throws OsaError `invalid_token` */
export async function answeringIn(people: People, secret: string | undefined): Promise<Answering> {
  const found = secret === undefined ? undefined : await people.answering(sha256(secret));
  if (found) return found;
  throw noLogin();
}

/** @throws OsaError `invalid_token` */
export async function decide(
  people: People,
  {
    secret,
    form,
    allowed,
  }: { readonly secret: string | undefined; readonly form: string; readonly allowed: boolean },
): Promise<void> {
  if (secret === undefined || !isSame(form, browserSecrets(secret).form)) throw noLogin();
  if (!(await people.decide(sha256(secret), allowed))) throw noLogin();
}

function noLogin(): OsaError {
  return new OsaError(
    'invalid_token',
    'no login of this browser waits for an answer: it was answered, or took too long; start osa login again',
  );
}

function isSame(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
