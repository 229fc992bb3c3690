import { z } from 'zod';
import type { ScopeVerb } from '../auth/scope.ts';

/**
 * The rule for calling a route. `public` is open to everybody; `read` is open unless the setting `reads` is
 * `authenticated`; `authenticated` takes any accepted token. `scope` needs a token that grants the verb on the
 * resource in `resourceParam`, or `orVerb` on it. Without `resourceParam`, a grant of `verb` or `orVerb` on any resource passes;
 * the use case then checks the actual resource.
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
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `:name` parameters. */
  readonly path: string;
  readonly summary: string;
  readonly gate: Gate;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** A JSON body by its shape, or the media type of a streamed one. */
  readonly body?:
    | z.ZodType
    | 'application/x-ndjson'
    | 'application/octet-stream'
    | 'multipart/form-data'
    | 'application/x-www-form-urlencoded';
  /** Where numbers of a JSON body keep their digits: in the member of this name, or in the whole `body`. */
  readonly digitsIn?: 'metadata' | 'body';
  /** The status of success and the shape of its body. A name, such as `text`, is for a body that is not JSON. */
  readonly status: 200 | 201;
  /** The media type of events that the answer is sent as where `Accept` names it. */
  readonly streamedAs?: 'text/event-stream';
  /** A second status of success: 201 where the answer says `created: true`. */
  readonly createdStatus?: 201;
  readonly response: z.ZodType | 'text' | 'html' | 'markdown' | 'bytes' | 'archive' | 'file' | 'table';
  /** The meaning of the answer's ETag, if it has one. */
  readonly etag?: string;
  /** The tag that `If-Match` takes, where the route reads it; a file's route reads more. */
  readonly ifMatch?: string;
  /** A failure status whose body has the shape of `response`, and its description. */
  readonly troubleStatus?: readonly [503, string];
  /** It may wait for something to happen, so it has bounds of its own instead of those of reads. */
  readonly waits?: true;
  /** A POST that changes nothing: its query is in the body. */
  readonly isReading?: true;
  /** The body holds a token, which is refused like one in the header: 401, 403, or 429 after too many failures. */
  readonly takesToken?: true;
  /** It may answer 429, though it takes no token. */
  readonly limited?: true;
  /** Writes take an `Idempotency-Key`. */
  readonly idempotent?: true;
}

export const scope = (verb: ScopeVerb, resourceParam?: string): Gate =>
  resourceParam === undefined ? { kind: 'scope', verb } : { kind: 'scope', verb, resourceParam };

/** For uploads of hook code, which precede a deploy or a release. */
export const hookCode: Gate = { kind: 'scope', verb: 'conventions:write', orVerb: 'hooks:write' };

export const read: Gate = { kind: 'read' };

export const open: Gate = { kind: 'public' };

export const anybody: Gate = { kind: 'authenticated' };

/** Whether a request may come without a body, which is then `{}`: no member of its object is required. */
export function mayLackBody({ body }: Route): boolean {
  return body instanceof z.ZodObject && Object.values(body.shape).every((member) => isOptional(member));
}

function isOptional(member: z.core.$ZodType): boolean {
  return z.safeParse(member, undefined).success;
}

/** Checks names and completeness of one entry without widening its type. */
export const route = <const T extends Route>(definition: T): T => definition;
