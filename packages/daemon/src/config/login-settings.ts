import { isLoopback } from '@osa/core/auth/publisher/publisher';
import { z } from 'zod';

const address = z
  .string()
  .max(1_000)
  .refine(
    isAddress,
    'must be a URL with https:// (http:// on this machine only), without user, query and fragment',
  );

function isAddress(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return isPlain && (url.protocol === 'https:' || isLoopback(url));
}

/** The settings of logins; part of the table in settings.ts. */
export const loginSettings = {
  public_url: {
    shape: address.optional(),
    unset: '`https://<domain>`; with --dev: the address of the daemon',
    help: 'Address at which browsers reach the archive, such as `https://archive.example.org`.',
  },
  oidc_issuer: {
    shape: address.optional(),
    unset: 'none; nobody can log in',
    help:
      'OpenID provider at which people log in (`osa login`), such as `https://orcid.org`. Register ' +
      '`<public_url>/api/v1/auth/callback` there as redirect URI.',
  },
  oidc_client_id: {
    shape: z.string().min(1).max(500).optional(),
    help: 'Id by which that provider knows this archive.',
  },
  oidc_client_secret_file: {
    shape: z.string().min(1).optional(),
    help: 'File with the secret that goes with it; nobody else may have access to it.',
  },
} as const;
