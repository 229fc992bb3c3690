import type { KeyObject } from 'node:crypto';

/** Whose tokens are accepted, and what they may say. */
export interface TrustedIssuers {
  readonly machines: readonly MachineIssuer[];
  /** The issuer of tokens for people; undefined where there is none. */
  readonly primary: PrimaryIssuer | undefined;
  /** Our own issuer of tokens for people who have logged in here. */
  readonly people?: MachineIssuer;
  /** At most 60. */
  readonly clockSkewSeconds: number;
  /** The longest life of a machine token, from `iat` to `exp`. */
  readonly maxLifetimeSeconds: number;
}

/** Signs with Ed25519 for programs: CI, cron, scripts. */
export interface MachineIssuer {
  readonly issuer: string;
  readonly audience: string;
  /** The claim that holds the scopes. */
  readonly scopeClaim: string;
  readonly keys: readonly MachineKey[];
  /** Scopes that its tokens may carry at most, patterns allowed; undefined for no bound. */
  readonly scopes: readonly string[] | undefined;
}

export interface MachineKey {
  readonly key: KeyObject;
  /** The id that was given with the key, else the thumbprint. */
  readonly kid: string;
  /** RFC 7638. */
  readonly thumbprint: string;
}

/** Signs with HMAC-SHA-256 for people, whose roles are in the database. Its tokens name no issuer. */
export interface PrimaryIssuer {
  readonly secret: Uint8Array;
}

/** The issuer under which people are actors; no machine issuer may take it. */
export const primaryIssuer = 'primary';
/** The audience of their tokens. */
export const primaryAudience = 'authenticated';
