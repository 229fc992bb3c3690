import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { noKey, resolveCredential } from '../../config/credential.ts';
import { loadKey, longestToken, sign } from '../../config/key.ts';
import { time } from '../../terminal/format.ts';
import { line } from '../../terminal/paint.ts';
import { integer } from '../../terminal/parse.ts';
import { scopeOption } from './scopes.ts';

export const token = defineCommand({
  description:
    'Signs a token for another program, such as curl, and prints only the token. It grants the scopes of ' +
    '--scope; without one it says who you are and grants nothing. Anyone who has the token can use it ' +
    'until it expires.',
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
  ],
  json: '{"token", "issuer", "audience", "subject", "scopes", "expires_at"}',
  async run({ client, output, sources }, { options: { scope, ttl = longestToken } }) {
    const { server } = client();
    const credential = resolveCredential(sources, server);
    if (!credential) throw noKey(sources);
    if (credential.kind !== 'key') {
      const message = 'OSA_TOKEN is a token already, and only a key can sign one; unset it and set OSA_KEY';
      throw new OsaError('credentials', message, { field: 'OSA_TOKEN' });
    }
    const { identity } = credential;
    const { issuer, audience, subject } = identity;
    const scopes = scope.flat();
    const expires_at = new Date((Math.floor(Date.now() / 1_000) + ttl) * 1_000).toISOString();
    const text = await sign(await loadKey(identity.key), identity, { scopes, seconds: ttl });
    output.note(
      line`for ${audience}, as ${subject} of ${issuer}, until ${time(expires_at)}: ${scopes.join(', ') || 'no scope'}`,
    );
    output.result({ token: text, issuer, audience, subject, scopes, expires_at }, [text]);
    return undefined;
  },
});
