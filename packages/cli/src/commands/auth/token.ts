import { OsaError } from '@osa/core/error';
import { type Context, defineCommand } from '../../command.ts';
import type { IdTokenSource } from '../../config/ci-identity.ts';
import { noKey, resolveCredential } from '../../config/credential.ts';
import { loadKey, longestToken, sign } from '../../config/key.ts';
import { exchangeIdToken } from '../../http/exchange.ts';
import { time } from '../../terminal/format.ts';
import { line } from '../../terminal/paint.ts';
import { integer } from '../../terminal/parse.ts';
import { scopeOption } from './scopes.ts';

export const token = defineCommand({
  description:
    'Signs a token for another program, such as curl, and prints only the token. It grants the scopes of ' +
    '--scope; without one it says who you are and grants nothing. Anyone who has the token can use it ' +
    'until it expires.\n\n' +
    'In a CI job without a key it prints the token that the server gives for the ID token of the job, with the scopes of ' +
    'the rule that the job meets (osa publishers add).',
  options: {
    scope: scopeOption,
    ttl: {
      value: 'SECONDS',
      description: `lifetime, at most ${longestToken} (default: ${longestToken})`,
      parse: integer(1, longestToken),
    },
  },
  examples: [
    ['curl -H "Authorization: Bearer $(osa token --scope runs:read)" …', 'for one request'],
    ['osa token --scope hooks:write:find_pockets --ttl 60', 'for a minute'],
    ['export OSA_TOKEN="$(osa token)"', 'in a CI job with several commands'],
  ],
  json: '{"token", "issuer", "audience", "subject", "scopes", "expires_at"}',
  async run(context, { options: { scope, ttl = longestToken } }) {
    const { client, output, sources } = context;
    const { server } = client();
    const credential = resolveCredential(sources, server);
    if (!credential) throw noKey(sources);
    if (credential.kind === 'job') return exchanged(context, credential.source);
    if (credential.kind === 'login') {
      throw new OsaError(
        'credentials',
        'you are logged in, and only a key can sign a token; make one with osa keys generate',
      );
    }
    if (credential.kind !== 'key') {
      const message = 'OSA_TOKEN is a token already, and only a key can sign one; unset it and set OSA_KEY';
      throw new OsaError('credentials', message, { field: 'OSA_TOKEN' });
    }
    const { identity } = credential;
    const { issuer, audience, subject } = identity;
    const scopes = scope.flat();
    const key = await loadKey(identity.key);
    const issuedAt = Math.floor(Date.now() / 1_000);
    const expires_at = new Date((issuedAt + ttl) * 1_000).toISOString();
    const text = await sign(key, identity, { scopes, seconds: ttl, issuedAt });
    output.note(
      line`for ${audience}, as ${subject} of ${issuer}, until ${time(expires_at)}: ${scopes.join(', ') || 'no scope'}`,
    );
    output.result({ token: text, issuer, audience, subject, scopes, expires_at }, [text]);
    return undefined;
  },
});

/** The server gives the scopes of the rules alone, whatever is asked for. */
async function exchanged(
  { client, output, sources, signal }: Context,
  source: IdTokenSource,
): Promise<undefined> {
  const archive = client();
  const answer = await exchangeIdToken(archive.call, source, { sources, signal });
  const { subject, scopes, expires_at } = answer;
  output.note(line`as ${subject}, until ${time(expires_at)}: ${scopes.join(', ')}`);
  const { exchange_audience: audience } = await archive.call('listIssuers', {});
  output.result({ ...answer, audience }, [answer.token]);
}
