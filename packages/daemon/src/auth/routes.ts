import {
  answeringIn,
  browserSecrets,
  decide,
  enterCode,
  loginSeconds,
  shownCode,
  startLogin,
  takeAnswer,
} from '@osa/core/auth/person/login';
import type { People } from '@osa/core/auth/person/people';
import { type PeopleIssuer, refreshLogin, takeLogin } from '@osa/core/auth/person/session';
import { asOsaError, OsaError } from '@osa/core/error';
import { sha256 } from '@osa/core/hook/release';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { LoginConfig } from '../config/login.ts';
import type { FailedTokens } from '../http/authenticate.ts';
import { statuses } from '../http/errors.ts';
import { type FailureRateLimit, failureRateLimit } from '../http/failure-rate-limit.ts';
import type { Call, Handlers } from '../http/mount.ts';
import { networkOf } from '../http/network.ts';
import { html, type Page, showPage } from './pages.ts';
import { type LoginProvider, loginProvider } from './provider.ts';

export interface LoginParts {
  readonly people: People;
  readonly issuer: PeopleIssuer;
  /** Undefined where nobody can log in. */
  readonly login: { readonly config: LoginConfig; readonly provider: LoginProvider } | undefined;
  /** Counts codes and tokens that nobody has, as other refused tokens. */
  readonly failed: FailedTokens;
  /** Bounds how many logins a network begins. */
  readonly starts: FailureRateLimit;
}

type Names =
  | 'startLogin'
  | 'takeLogin'
  | 'loginPage'
  | 'enterCode'
  | 'loginAnswer'
  | 'allowPage'
  | 'allowLogin'
  | 'refreshLogin'
  | 'logout';

export function loginRoutes(parts: LoginParts): Pick<Handlers, Names> {
  const { people, issuer } = parts;
  const sessions = () => ({ people, issuer, intervalSeconds: parts.login?.config.intervalSeconds ?? 5 });
  return {
    async startLogin({ request }) {
      const { config, provider } = required(parts);
      const network = networkOf(request.ip);
      const waitSeconds = parts.starts.count(network);
      if (waitSeconds !== undefined) {
        throw new OsaError('rate_limited', 'too many logins are begun from this network; wait a moment', {
          details: { retry_after_seconds: waitSeconds },
        });
      }
      await provider.check();
      const page = `${config.publicUrl}/api/v1/auth/device/verify`;
      return startLogin(people, { page, network, intervalSeconds: config.intervalSeconds });
    },
    takeLogin: ({ body, request }) => counted(parts, request, () => takeLogin(sessions(), body.device_code)),
    refreshLogin: ({ body, request }) =>
      counted(parts, request, () => refreshLogin(sessions(), body.refresh_token)),
    async logout({ body }) {
      await people.logOut(sha256(body.refresh_token));
      return { success: true as const };
    },
    loginPage: ({ query, ...call }) => page(call, async () => codePage(query.code ?? '')),
    enterCode: (call) =>
      page(call, async () => {
        const { config, provider } = required(parts);
        const typed = (await formOf(call)).get('user_code') ?? '';
        const secret = await counted(parts, call.request, () => enterCode(people, typed));
        const onTo = await provider.pageFor(browserSecrets(secret));
        setCookie(call.reply, config, secret);
        return onwardPage(onTo);
      }),
    loginAnswer: ({ request, reply }) =>
      page({ request, reply }, async () => {
        const { config, provider } = required(parts);
        const given = new URL(request.url, 'http://localhost').searchParams;
        const found = { secret: cookieOf(request), state: given.get('state') };
        await counted(parts, request, () =>
          takeAnswer(people, found, (secrets) => provider.identify(given, secrets)),
        );
        reply.code(303).header('location', `${config.publicUrl}/api/v1/auth/device/complete`);
        return { title: 'Logged in', body: html`<p>One question is left.</p>` };
      }),
    allowPage: ({ request, reply }) =>
      page({ request, reply }, async () => {
        const secret = cookieOf(request);
        const { name, issuer: provider, subject, userCode } = await answeringIn(people, secret);
        const form = browserSecrets(secret ?? '').form;
        return allowPage({
          who: name ?? subject,
          at: `${subject} at ${new URL(provider).host}`,
          userCode,
          form,
        });
      }),
    allowLogin: (call) =>
      page(call, async () => {
        const form = await formOf(call);
        const allowed = form.get('answer') === 'allow';
        await decide(people, { secret: cookieOf(call.request), form: form.get('form') ?? '', allowed });
        if (parts.login) setCookie(call.reply, parts.login.config, '', 0);
        return allowed
          ? { title: 'Done', body: html`<p>The program is logged in. You can close this page.</p>` }
          : { title: 'Refused', body: html`<p>The program got nothing. You can close this page.</p>` };
      }),
  };
}

/** Logins that a network begins at once; in the long run it is one a second. */
const mostStarts = 30;

/** The parts of the login that last as long as the daemon. */
export function loginParts(
  { login: config }: { readonly login?: LoginConfig | undefined },
  log: Logger,
): Pick<LoginParts, 'login' | 'starts'> {
  return {
    login: config && { config, provider: loginProvider(config, log) },
    starts: failureRateLimit(mostStarts),
  };
}

/** @throws OsaError `not_found` */
function required({ login }: LoginParts): NonNullable<LoginParts['login']> {
  if (login) return login;
  throw new OsaError(
    'not_found',
    'nobody can log in to this archive: its operator has not set OSA_OIDC_ISSUER; use a key instead (osa keys generate)',
  );
}

/** Counts a refused code or token against its network. */
async function counted<T>(
  { failed }: LoginParts,
  request: FastifyRequest,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = asOsaError(error);
    const isGuess = known?.code === 'invalid_token' || known?.details.error === 'device_not_found';
    if (!isGuess) throw error;
    throw failed(error, { address: request.ip, reason: `login: ${known?.message}` });
  }
}

/** Shows a page; to a browser also where something is refused, since a person reads it. */
async function page(
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  work: () => Promise<Page>,
): Promise<string> {
  try {
    return showPage(reply, await work());
  } catch (error) {
    const known = asOsaError(error);
    const status = known && statuses[known.code];
    const isOurs = status === undefined || (status >= 500 && known?.code !== 'busy');
    if (!known || isOurs || !request.headers.accept?.includes('text/html')) throw error;
    reply.code(status);
    const wait = known.details.retry_after_seconds;
    if (known.code === 'busy' || known.code === 'rate_limited')
      reply.header('retry-after', String(wait ?? 1));
    return showPage(reply, { title: 'Not logged in', body: html`<p>${known.message}</p>` });
  }
}

const formBytes = 4_096;

async function formOf(call: Pick<Call<'enterCode'>, 'upload'>): Promise<URLSearchParams> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of call.upload(formBytes)) {
    size += chunk.length;
    if (size > formBytes) throw new OsaError('too_large', `the form is larger than ${formBytes} bytes`);
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

const cookie = 'osa_login';

function setCookie(
  reply: FastifyReply,
  { publicUrl }: LoginConfig,
  secret: string,
  seconds = loginSeconds,
): void {
  const { protocol, pathname } = new URL(publicUrl);
  const path = `${pathname.replace(/\/$/, '')}/api/v1/auth`;
  const secure = protocol === 'https:' ? '; Secure' : '';
  // Lax: the provider sends the browser back from its own site.
  reply.header(
    'set-cookie',
    `${cookie}=${secret}; Path=${path}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`,
  );
}

/** One cookie of ours; with two, somebody else has set one. */
function cookieOf({ headers }: FastifyRequest): string | undefined {
  const found = (headers.cookie ?? '')
    .split(';')
    .map((text) => text.trim().split('='))
    .filter(([name]) => name === cookie);
  const [only] = found;
  const secret = found.length === 1 ? only?.[1] : undefined;
  return secret !== undefined && /^[\w-]{43}$/.test(secret) ? secret : undefined;
}

function codePage(code: string): Page {
  return {
    title: 'Log in',
    body: html`<p>Enter the code that <b>osa login</b> shows you. If nobody showed you one, close this page.</p>
<form method="post" action="verify"><input name="user_code" value="${code}" autocomplete="off" autocapitalize="characters" required maxlength="20" aria-label="Code">
<button>Go on</button></form>`,
  };
}

function onwardPage(onTo: URL): Page {
  return {
    title: 'Log in',
    onTo,
    body: html`<p><a href="${onTo.href}">Go on to ${onTo.host}</a></p>`,
  };
}

function allowPage(shown: {
  readonly who: string;
  readonly at: string;
  readonly userCode: string;
  readonly form: string;
}): Page {
  return {
    title: 'Allow this program?',
    body: html`<p>You are <b>${shown.who}</b> (${shown.at}).</p>
<p>A program that shows the code <code>${shownCode(shown.userCode)}</code> asks to act for you. Allow it only if this is the code on your own screen.</p>
<form method="post" action="complete"><input type="hidden" name="form" value="${shown.form}">
<button name="answer" value="allow">Allow</button> <button name="answer" value="refuse">Refuse</button></form>`,
  };
}
