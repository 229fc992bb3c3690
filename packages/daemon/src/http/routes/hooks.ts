import { OsaError } from '@osa/core/error';
import { unknownHook, unknownRelease } from '@osa/core/hook/hook';
import { activate, rollback } from '@osa/core/hook/live';
import { release } from '@osa/core/hook/mint';
import { pauseHook, resumeHook } from '@osa/core/hook/pause';
import type { Expected } from '@osa/core/hook/registry';
import { bounds } from '@osa/core/limits';
import type { Store } from '@osa/core/store';
import { hideConfig } from '@osa/core/trace/trace';
import type { FastifyRequest } from 'fastify';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  | 'listHooks'
  | 'showHook'
  | 'listReleases'
  | 'showRelease'
  | 'history'
  | 'release'
  | 'activate'
  | 'rollback'
  | 'pauseHook'
  | 'resumeHook'
>;

export function hookRoutes({ store }: { readonly store: Store }): Routes {
  const { registry } = store;
  return {
    listHooks: ({ query }) => registry.hooks(query),
    async showHook({ params: { name }, principal, reply }) {
      const hook = found(await registry.hook(name), name);
      if (hook.live_seq !== null) reply.header('etag', `"${hook.live_seq}"`);
      return { ...hook, live: hook.live && hideConfig(hook.live, principal, name) };
    },
    listReleases: async ({ params: { name }, query }) => found(await registry.releases(name, query), name),
    async showRelease({ params: { name, version }, principal }) {
      const release = await registry.release(name, version);
      if (!release) throw unknownRelease(found(await registry.hook(name), name), version);
      return hideConfig(release, principal, name);
    },
    history: async ({ params: { name }, query }) => found(await registry.history(name, query), name),
    release: (call) => release(store, call.writer(), call.params.name, expecting(call)),
    activate: (call) => activate(store, call.writer(), call.params.name, expecting(call)),
    rollback: (call) => rollback(store, call.writer(), call.params.name, expecting(call)),
    pauseHook: (call) => pauseHook(store, call.writer(), call.params.name, call.body),
    resumeHook: (call) => resumeHook(store, call.writer(), call.params.name),
  };
}

function found<T>(answer: T | undefined, name: string): T {
  if (answer === undefined) throw unknownHook(name);
  return answer;
}

/** The body with what If-Match expects. @throws OsaError `invalid` when header and body expect different changes */
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
