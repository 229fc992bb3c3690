import { setTimeout as wait } from 'node:timers/promises';
import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { type Context, defineCommand } from '../../command.ts';
import { resolveCredential } from '../../config/credential.ts';
import { storeLogin, whileLocked } from '../../config/logins.ts';
import type { Client } from '../../http/client.ts';
import { loginOf } from '../../http/login.ts';
import { bold, line, yellow } from '../../terminal/paint.ts';

export const login = defineCommand({
  description:
    'Logs you in: shows a page and a code, and waits until you have said in a browser who you are. The browser may be ' +
    'on another machine. The server asks its OpenID provider, so osa never sees your password.\n\n' +
    'The login is kept in your own settings, for this server alone, and lasts for 30 days at most. It is used where no ' +
    'token and no key is given. Your rights are your roles; an operator gives them with osad roles grant.',
  examples: [
    ['osa login', 'log in at the server of this directory'],
    ['osa login --server https://archive.example.org', 'log in at that one'],
  ],
  json: '{"server", "id", "display_name", "provider", "roles", "instead"}',
  async run(context) {
    const { client, output, sources } = context;
    const archive = client();
    const { server } = archive;
    const begun = await archive.call('startLogin', {});
    output.note(line`Open ${bold(begun.verification_uri)}`);
    output.note(line`and compare the code there with ${bold(begun.user_code)}; this waits for you`);
    const answer = await tokensOf(archive, begun, context);
    await whileLocked(sources, () => storeLogin(sources, server, loginOf(answer)));
    const me = await archive.call('whoami', { token: answer.access_token });
    const credential = resolveCredential(sources, server);
    const instead = credential && credential.kind !== 'login' ? credential.kind : null;
    output.result(
      {
        ...{
          server: server.url,
          id: me.id,
          display_name: me.display_name,
          provider: me.provider,
          roles: me.roles,
        },
        instead,
      },
      [
        line`logged in at ${server.url} as ${bold(me.display_name)} (${me.external_id} at ${me.provider})`,
        line`id ${me.id}, roles: ${me.roles.join(', ') || `none; an operator gives one with osad roles grant ${me.id} DEPOSITOR`}`,
      ],
    );
    if (instead !== null) {
      output.note(
        line`${yellow('!')} commands here use your ${instead} before this login; osa auth whoami shows who you are`,
      );
    }
    return undefined;
  },
});

type Begun = Answer<'startLogin'>;

/** Asks until the person has answered. @throws OsaError `login_incomplete`, `interrupted` */
async function tokensOf(archive: Client, begun: Begun, { signal }: Context): Promise<Answer<'takeLogin'>> {
  const end = performance.now() + begun.expires_in * 1_000;
  let seconds = begun.interval;
  while (performance.now() < end) {
    await pause(seconds, signal);
    const found = await asked(archive, begun.device_code);
    if (typeof found !== 'string') return found;
    if (found === 'slow_down') seconds += 5;
  }
  throw new OsaError('login_incomplete', 'nobody has answered in time; start again with: osa login');
}

/** The tokens, or why there are none yet. */
async function asked(archive: Client, deviceCode: string): Promise<Answer<'takeLogin'> | string> {
  const body = {
    device_code: deviceCode,
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code' as const,
  };
  try {
    return await archive.call('takeLogin', { body });
  } catch (error) {
    const known = asOsaError(error);
    const why = known?.details.error;
    if (why === 'authorization_pending' || why === 'slow_down') return why;
    // The server may be away for a while; the person goes on in the browser.
    if (known?.code === 'unreachable' || known?.code === 'unavailable') return 'slow_down';
    throw error;
  }
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(seconds * 1_000, undefined, { signal });
  } catch (cause) {
    throw new OsaError('interrupted', 'interrupted; nothing was logged in', { cause });
  }
}
