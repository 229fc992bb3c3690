import type { Answer } from '../../api/index.ts';
import type { Publisher, Rule } from './publisher.ts';

export interface PublisherReads {
  list(): Promise<Answer<'listPublishers'>['items']>;
  /** Those of an issuer that count. */
  of(issuer: string): Promise<readonly Publisher[]>;
  /** Whether a token of this exchange still counts: none of the publishers that gave its scopes has been removed. */
  isActive(exchange: string): Promise<boolean>;
}

export interface PublisherWrites {
  add(rule: Rule): Promise<string>;
  /** False when it is not there or was removed before. */
  remove(id: string): Promise<boolean>;
  /** False when what the provider signed was taken before. */
  exchange(exchange: Exchange): Promise<boolean>;
}

export interface Exchange {
  readonly id: string;
  readonly publisher: string;
  /** The other publishers whose scopes the token has. */
  readonly others: readonly string[];
  /** SHA-256, hex, of what the provider signed. */
  readonly proof: string;
  /** The kept claims of the job. */
  readonly claims: Readonly<Record<string, string>>;
}
