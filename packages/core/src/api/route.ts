import type { z } from 'zod';
import type { ScopeVerb } from '../auth/scope.ts';

/**
 * Who may call a route. `public` is open to everybody; `read` is open unless the daemon says
 * `reads: authenticated`; `authenticated` takes any token that is accepted; a scope needs one that grants it on the
 * resource named by a path parameter. Without one it must grant the verb, or the other one, on some resource; the use
 * case asks for more, once it knows on which.
 */
export type Gate =
  | { readonly kind: 'public' }
  | { readonly kind: 'read' }
  | { readonly kind: 'authenticated' }
  | {
      readonly kind: 'scope';
      readonly verb: ScopeVerb;
      readonly orVerb?: ScopeVerb;
      readonly resourceParam?: string;
    };

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `:name` parameters. */
  readonly path: string;
  readonly summary: string;
  readonly gate: Gate;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** A JSON body by its shape, or the media type of a streamed one. */
  readonly body?: z.ZodType | 'application/x-ndjson' | 'application/octet-stream';
  /** The status of success and the shape of its body; `text` is a body that is not JSON. */
  readonly status: 200 | 201;
  /** A second status of success: 201 where the answer says `created: true`. */
  readonly createdStatus?: 201;
  readonly response: z.ZodType | 'text';
  /** What the ETag of the answer stands for, where it has one. */
  readonly etag?: string;
  /** A status that is no success and comes with the same body, which says what is wrong; and what it means. */
  readonly troubleStatus?: readonly [503, string];
  /** Writes take an `Idempotency-Key`. */
  readonly idempotent?: true;
}

export const scope = (verb: ScopeVerb, resourceParam?: string): Gate =>
  resourceParam === undefined ? { kind: 'scope', verb } : { kind: 'scope', verb, resourceParam };

/** The code of hooks: it comes with a deploy, or with a release without one. */
export const hookCode: Gate = { kind: 'scope', verb: 'conventions:write', orVerb: 'hooks:write' };

export const read: Gate = { kind: 'read' };

export const open: Gate = { kind: 'public' };

export const anybody: Gate = { kind: 'authenticated' };

/** Checks names and completeness of one entry without widening its type. */
export const route = <const T extends Route>(definition: T): T => definition;
