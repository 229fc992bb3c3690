import { OsaError } from '@osa/core/error';
import { releaseCode } from '@osa/core/hook/code';
import { activate, rollback } from '@osa/core/hook/live';
import { release } from '@osa/core/hook/mint';
import { pauseHook, resumeHook } from '@osa/core/hook/pause';
import { listReleases, readCurrentRows, readHistory, showHook, showRelease } from '@osa/core/hook/read';
import type { Expected } from '@osa/core/hook/registry';
import { bounds } from '@osa/core/limits';
import type { BlobStore } from '@osa/core/storage/index';
import type { Store } from '@osa/core/store';
import type { FastifyRequest } from 'fastify';
import type { Handlers } from '../mount.ts';
import type { ConventionParts } from './conventions.ts';

type Routes = Pick<
  Handlers,
  | 'listHooks'
  | 'showHook'
  | 'listReleases'
  | 'showRelease'
  | 'releaseCode'
  | 'history'
  | 'currentRows'
  | 'release'
  | 'activate'
  | 'rollback'
  | 'pauseHook'
  | 'resumeHook'
>;

interface HookParts extends ConventionParts {
  readonly blobs: BlobStore;
  /** The same store with connections for cancellations, which may write much. */
  readonly cancelling: Store;
}

export function hookRoutes({ store, registries, blobs, cancelling }: HookParts): Routes {
  const storeOf = ({ body }: { readonly body: { readonly cancel_running?: boolean | undefined } }) =>
    body.cancel_running ? cancelling : store;
  return {
    listHooks: ({ query }) => store.registry.hooks(query),
    async showHook({ params: { name }, principal, reply }) {
      const hook = await showHook(store, principal, name);
      if (hook.live_seq !== null) reply.header('etag', `"${hook.live_seq}"`);
      return hook;
    },
    listReleases: ({ params, query }) => listReleases(store, params.name, query),
    showRelease: ({ params, principal }) => showRelease(store, principal, params),
    currentRows: ({ params }) => readCurrentRows(store, params.name),
    releaseCode({ params, caller, reply }) {
      reply.type('application/octet-stream');
      return releaseCode({ store, blobs }, caller().principal, params);
    },
    history: ({ params, query }) => readHistory(store, params.name, query),
    release: (call) => release(store, call.writer(), call.params.name, expecting(call), { registries }),
    activate: (call) => activate(storeOf(call), call.writer(), call.params.name, expecting(call)),
    rollback: (call) => rollback(storeOf(call), call.writer(), call.params.name, expecting(call)),
    pauseHook: (call) => pauseHook(store, call.writer(), call.params.name, call.body),
    resumeHook: (call) => resumeHook(store, call.writer(), call.params.name),
  };
}

/** The body, with the number of If-Match. @throws OsaError `invalid` if header and body differ */
function expecting<B extends Expected>({
  body,
  request,
}: {
  readonly body: B;
  readonly request: FastifyRequest;
}): B {
  const seen = seqOf(request.headers['if-match']);
  if (seen === undefined) return body;
  if (body.expected_live_seq !== undefined && body.expected_live_seq !== seen) {
    throw new OsaError(
      'invalid',
      `If-Match: "${seen}" and expected_live_seq ${body.expected_live_seq} differ; send one`,
      { field: 'If-Match' },
    );
  }
  return { ...body, expected_live_seq: seen };
}

/** The sequence number in an ETag of ours. @throws OsaError `invalid` */
function seqOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const [, digits] = /^"([1-9]\d{0,9})"$/.exec(header) ?? [];
  if (digits !== undefined && Number(digits) <= bounds.liveSeq) return Number(digits);
  throw new OsaError('invalid', 'If-Match: must be the ETag of the hook, such as "7" with its quotes', {
    field: 'If-Match',
  });
}
