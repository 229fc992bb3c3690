import { missing, secretText } from './named-file.ts';
import type { Settings } from './read-settings.ts';

/** How people log in: an OpenID provider that knows us as a client. */
export interface LoginConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The address at which browsers reach this archive, without a slash at its end. */
  readonly publicUrl: string;
  /** Where the provider sends browsers back to; the client is registered with it. */
  readonly callback: string;
  /** Between two questions of a program for its tokens. */
  readonly intervalSeconds: number;
}

/** Undefined where nobody can log in. @throws OsaError `usage` for a part that is missing */
export function loginOf(settings: Settings, defaultUrl: string): LoginConfig | undefined {
  const { oidc_issuer: issuer, oidc_client_id: clientId, oidc_client_secret_file: file, nameOf } = settings;
  if (issuer === undefined) return undefined;
  if (clientId === undefined)
    throw missing('OSA_OIDC_CLIENT_ID', `the id by which ${issuer} knows this archive`);
  if (file === undefined) {
    throw missing('OSA_OIDC_CLIENT_SECRET_FILE', `a file with the secret that ${issuer} gave this archive`);
  }
  const clientSecret = secretText(file, nameOf(['oidc_client_secret_file']), 'the secret of a client');
  return loginConfig({ issuer, clientId, clientSecret, publicUrl: settings.public_url ?? defaultUrl });
}

export function loginConfig(
  given: Pick<LoginConfig, 'issuer' | 'clientId' | 'clientSecret' | 'publicUrl'>,
): LoginConfig {
  const publicUrl = given.publicUrl.replace(/\/+$/, '');
  return { ...given, publicUrl, callback: `${publicUrl}/api/v1/auth/callback`, intervalSeconds: 5 };
}
