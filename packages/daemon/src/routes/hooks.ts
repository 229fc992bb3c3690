import type { Answer, ParsedBody } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { rollback } from '@osa/core/hook/live';
import type { Store } from '@osa/core/store';
import { hideConfig } from '@osa/core/trace/trace';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  'listHooks' | 'showHook' | 'listReleases' | 'showRelease' | 'history' | 'rollback'
>;

export function hookRoutes({ store }: { readonly store: Store }): Routes {
  const { registry } = store;
  return {
    listHooks: () => registry.hooks(),
    async showHook({ params: { name }, principal, reply }) {
      const hook = found(await registry.hook(name), name);
      if (hook.live_seq !== null) reply.header('etag', `"${hook.live_seq}"`);
      return { ...hook, live: hook.live && hideConfig(hook.live, principal) };
    },
    listReleases: async ({ params: { name }, query }) => found(await registry.releases(name, query), name),
    showRelease: async ({ params: { name, version }, principal }) =>
      hideConfig(
        found(await registry.release(name, version), `${name} with a release ${version}`),
        principal,
      ),
    history: async ({ params: { name }, query }) => found(await registry.history(name, query), name),
    rollback: (call): Promise<Answer<'rollback'>> => {
      const seen = seqOf(call.request.headers['if-match']);
      return rollback(store, call.writer(), call.params.name, expecting(call.body, seen));
    },
  };
}

function found<T>(answer: T | undefined, name: string): T {
  if (answer === undefined) throw new OsaError('not_found', `no hook is named ${name}`, { field: 'name' });
  return answer;
}

/** @throws OsaError `invalid` when header and body expect different changes */
function expecting(body: ParsedBody<'rollback'>, seen: number | undefined): ParsedBody<'rollback'> {
  if (seen === undefined) return body;
  if (body.expected_live_seq !== undefined && body.expected_live_seq !== seen) {
    throw new OsaError(
      'invalid',
      `If-Match: "${seen}" and expected_live_seq ${body.expected_live_seq} differ; send one`,
      {
        field: 'If-Match',
      },
    );
  }
  return { ...body, expected_live_seq: seen };
}

/** The sequence number in an ETag of ours. @throws OsaError `invalid` */
function seqOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const [, digits] = /^"([1-9]\d{0,14})"$/.exec(header) ?? [];
  if (digits !== undefined) return Number(digits);
  throw new OsaError('invalid', 'If-Match: must be the ETag of the hook, such as "7" with its quotes', {
    field: 'If-Match',
  });
}
