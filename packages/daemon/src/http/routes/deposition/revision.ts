import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Answers with the revision as ETag. */
export function tagged<D extends { readonly revision: number }>(reply: FastifyReply, deposition: D): D {
  reply.header('etag', `"${deposition.revision}"`);
  return deposition;
}

/** The deposition, as the caller has seen it. @throws OsaError `invalid` */
export function seen({
  params,
  request,
}: {
  readonly params: { readonly id: string };
  readonly request: FastifyRequest;
}): { readonly id: string; readonly revision: number | undefined } {
  const header = request.headers['if-match'];
  if (header === undefined || header === '*') return { id: params.id, revision: undefined };
  const [, digits] = /^"([1-9]\d{0,9})"$/.exec(header) ?? [];
  if (digits !== undefined && Number(digits) <= bounds.liveSeq) {
    return { id: params.id, revision: Number(digits) };
  }
  throw new OsaError('invalid', 'If-Match: must be the ETag of the deposition, such as "3" with its quotes', {
    field: 'If-Match',
  });
}
