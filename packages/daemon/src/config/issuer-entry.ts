import { primaryIssuer } from '@osa/core/auth/issuer';
import { isScope } from '@osa/core/auth/scope';
import { z } from 'zod';

const scopeText = z
  .string()
  .refine(isScope, 'must be a scope, such as hooks:write or conventions:write:usgs-*');

/** Registered claims (RFC 7519), which mean something else. */
const reservedClaims = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'];

/** One trusted issuer of machine tokens, as the settings file has it. */
export const IssuerEntry = z
  .strictObject({
    issuer: z
      .string()
      .min(1)
      .max(1_000)
      .refine((name) => name !== primaryIssuer, `"${primaryIssuer}" is the issuer of tokens for people`),
    audience: z.string().min(1).max(1_000).optional(),
    public_key: z.string().min(1).optional(),
    public_key_file: z.string().min(1).optional(),
    scope_claim: z
      .string()
      .regex(/^[A-Za-z][\w:./-]{0,199}$/, 'must be the name of a claim')
      .refine((name) => !(name in {}), 'must be the name of a claim')
      .refine(
        (name) => !reservedClaims.includes(name),
        'has another meaning in every token; take another claim',
      )
      .default('scope'),
    scopes: z.array(scopeText).max(1_000).optional(),
  })
  .refine((entry) => (entry.public_key === undefined) !== (entry.public_key_file === undefined), {
    message: 'needs either public_key or public_key_file',
  });
export type IssuerEntry = z.infer<typeof IssuerEntry>;
