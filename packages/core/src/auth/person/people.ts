/** Logins and sessions as they are stored. Each call is a transaction of its own. Codes, secrets and tokens come as their SHA-256. */
export interface People {
  /** Why none was begun: too many of this network, or of all, are under way. A place is made of the oldest that no browser has opened. */
  start(login: NewLogin): Promise<'started' | 'network_full' | 'full'>;
  /** Ties the login with this code to a browser, in place of an earlier one; false when there is none that can be answered. */
  enter(userCode: string, browserHash: string): Promise<boolean>;
  /** Notes that the provider's answer has come to this browser; false when one came before, or there is no such login. */
  answer(browserHash: string): Promise<boolean>;
  /** Says who answers in this browser. Undefined when the login is over. */
  identify(browserHash: string, identity: Identity): Promise<Answering | undefined>;
  /** The person who answers in this browser, as long as they have not said whether they allow it. */
  answering(browserHash: string): Promise<Answering | undefined>;
  /** False when there is nothing to decide. */
  decide(browserHash: string, allowed: boolean): Promise<boolean>;
  /** Begins the session of a login that was allowed, once. */
  take(deviceHash: string, polling: Polling): Promise<Person | LoginState>;
  /** Takes a refresh token for the next one. One that was used before ends its session. */
  rotate(tokenHash: string, next: NextToken): Promise<Person | SessionFlaw>;
  /** Ends the session of a refresh token, used or not. */
  logOut(tokenHash: string): Promise<void>;
  /** Whether the session of an access token still lasts, by the token's `jti`. */
  isLoggedIn(tokenId: string): Promise<boolean>;
}

export interface NewLogin {
  readonly deviceHash: string;
  readonly userCode: string;
  /** Where it was begun. */
  readonly network: string;
  readonly lifetimeSeconds: number;
}

/** The person as the provider's ID token names them. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
  readonly name: string | undefined;
}

export interface Answering {
  readonly name: string | null;
  readonly issuer: string;
  readonly subject: string;
  readonly userCode: string;
}

export interface Person extends Pick<Answering, 'name' | 'issuer' | 'subject'> {
  readonly id: string;
  /** Seconds until the session ends, whatever is done. */
  readonly secondsLeft: number;
}

export type LoginState =
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  | 'access_denied'
  | 'device_not_found'
  | 'device_consumed';

export type SessionFlaw = 'invalid_refresh_token' | 'token_family_revoked' | 'refresh_token_expired';

export interface NextToken {
  readonly id: string;
  readonly hash: string;
  readonly lifetimeSeconds: number;
}

export interface Polling extends NextToken {
  readonly intervalSeconds: number;
  readonly sessionSeconds: number;
}

/** Whether `found` is a person and no flaw. */
export function isPerson<F extends string>(found: Person | F): found is Person {
  return typeof found === 'object';
}
