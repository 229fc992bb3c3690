import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { issuerOf, noKey, resolveIdentity, resolveKey } from '../../config/credential.ts';
import { loadKey } from '../../config/key.ts';
import { publicKeyLines } from './key-lines.ts';

export const keysShow = defineCommand({
  description:
    'Shows the public half of the key that signs tokens here, and the settings with which a daemon trusts ' +
    'it. The private half is never shown.',
  examples: [['osa keys show', 'give this to the operator of the daemon']],
  json: '{"from", "issuer", "public_jwk", "thumbprint"}',
  async run({ client, output, sources }) {
    const identity = identityHere(() => resolveIdentity(sources, client().server));
    const key = identity?.key ?? resolveKey(sources);
    if (!key) throw noKey(sources);
    const { kid, thumbprint, publicJwk } = await loadKey(key);
    const shown = { ...publicJwk, kid, alg: 'EdDSA' };
    const issuer = identity?.issuer ?? issuerOf(sources.environment);
    const document = { from: key.name, issuer, public_jwk: shown, thumbprint };
    output.result(
      document,
      publicKeyLines({ title: 'key', from: key.name, issuer, publicJwk: shown, thumbprint }),
    );
    return undefined;
  },
});

/** The identity for the server of this place; undefined where there is no server. */
function identityHere(resolve: () => ReturnType<typeof resolveIdentity>) {
  try {
    return resolve();
  } catch (error) {
    if (error instanceof OsaError && error.code === 'unreachable') return undefined;
    throw error;
  }
}
