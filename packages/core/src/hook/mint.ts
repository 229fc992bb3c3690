import type { Answer, ParsedBody } from '../api.ts';
import { requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { Store, Writer } from '../store.ts';
import { requireExpected } from './live.ts';
import { Digest, fingerprint, type Limits, type ReleaseContent } from './release.ts';

/**
 * Mints a release of a hook without a deploy. What the request leaves out is carried over from the live release,
 * as it is under the hook's lock; whether the release is known is decided on the whole. A known release comes back
 * with `created: false`, and nothing moves.
 *
 * @throws OsaError `not_found`, `invalid` (parts that do not fit together, a directory that was not uploaded, no
 * live release to carry over from), `precondition_failed`, `access_denied`.
 */
export async function release(
  store: Store,
  writer: Writer,
  hookName: string,
  request: ParsedBody<'release'>,
): Promise<Answer<'release'>> {
  requireScope(writer.principal, 'hooks:write', hookName);
  return store.write(writer, async ({ registry, event }) => {
    // Other clients wait while the lock is held, so what can be asked together goes out together: the content is
    // read by a statement of its own that comes after the lock.
    const [hook, live] = await Promise.all([registry.lockHook(hookName), registry.liveContent(hookName)]);
    if (!hook) throw new OsaError('not_found', `no hook is named ${hookName}`, { field: 'name' });
    requireExpected(hook, request);
    const content = merge(request, live);
    if (content.runtime === 'directory' && !(await registry.hasBlob(content.digest))) {
      const message = `digest: ${content.digest} is not stored; upload the packed directory first`;
      throw new OsaError('invalid', message, { field: 'digest' });
    }
    const print = fingerprint(content);
    const known = await registry.findRelease(hook.name, print);
    if (known !== undefined) return { ...(await registry.minted(hook.name, known)), created: false };
    const options = { fingerprint: print, live: request.live, reason: request.reason ?? null };
    const version = hook.releaseCount + 1;
    const [minted] = await Promise.all([
      registry.mint(hook, content, options),
      event('hook.released', { hook: hook.name, version, live: request.live }),
    ]);
    return { ...minted, created: true };
  });
}

type Given = ParsedBody<'release'>;

function merge(request: Given, live: ReleaseContent | undefined): ReleaseContent {
  const { image, digest } = splitImage(request);
  const runtime = request.runtime ?? (image ? 'image' : request.command ? 'directory' : live?.runtime);
  const why = live
    ? `the live release runs ${live.runtime === 'image' ? 'an image' : 'a directory'}`
    : 'there is no live release to carry it over from';
  if (runtime === undefined) throw missing('image or command', why);
  const base = live?.runtime === runtime ? live : undefined;
  if (image && !digest && image !== base?.image) throw missing('digest', 'an image runs by digest');
  const chosenDigest = digest ?? base?.digest;
  if (chosenDigest === undefined) throw missing('digest', why);
  const sourceRef = request.source_ref ?? live?.source_ref;
  if (sourceRef === undefined) throw missing('source_ref', why);
  const named = {
    image: runtime === 'image' ? (image ?? base?.image ?? null) : null,
    command: runtime === 'directory' ? (request.command ?? base?.command ?? null) : null,
  };
  refuseStrays(request, runtime);
  if (runtime === 'image' && named.image === null) throw missing('image', why);
  if (runtime === 'directory' && named.command === null) throw missing('command', why);
  return {
    runtime,
    ...named,
    digest: chosenDigest,
    config: request.config ?? live?.config ?? {},
    limits: mergeLimits(request.limits, live?.limits),
    source_ref: sourceRef,
  };
}

/** `ref@sha256:…` says image and digest at once. @throws OsaError `invalid` for another digest, or two that differ */
function splitImage({ image, digest }: Given): { image: string | undefined; digest: string | undefined } {
  const at = image?.indexOf('@') ?? -1;
  if (image === undefined || at < 0) return { image, digest };
  const [name, carried] = [image.slice(0, at), image.slice(at + 1)];
  if (name === '' || !Digest.safeParse(carried).success) {
    const rule = 'must be a name, after an @ only "sha256:" and 64 lower-case hexadecimal digits';
    throw new OsaError('invalid', `image: ${JSON.stringify(image)} ${rule}`, { field: 'image' });
  }
  if (digest !== undefined && digest !== carried) {
    throw new OsaError('invalid', `digest: ${digest} is not the digest in image, ${carried}`, {
      field: 'digest',
    });
  }
  return { image: name, digest: carried };
}

function refuseStrays(request: Given, runtime: ReleaseContent['runtime']): void {
  const stray = runtime === 'image' ? 'command' : 'image';
  if (request[stray] === undefined) return;
  throw new OsaError('invalid', `${stray}: is not for runtime "${runtime}"; leave it out`, { field: stray });
}

function mergeLimits(update: Given['limits'], live: Limits | undefined): Limits {
  const base = live ?? { timeout_seconds: 300, memory: '1g', cpu: '0.5' };
  return {
    timeout_seconds: update?.timeout_seconds ?? base.timeout_seconds,
    memory: update?.memory ?? base.memory,
    cpu: update?.cpu ?? base.cpu,
  };
}

function missing(field: string, why: string): OsaError {
  return new OsaError('invalid', `${field}: is needed, since ${why}`, { field });
}
