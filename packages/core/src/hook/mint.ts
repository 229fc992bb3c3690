import type { Answer, ParsedBody } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { grants, requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { canonicalJson } from '../json/canonical.ts';
import type { Store, Writer } from '../store.ts';
import { unknownHook } from './hook.ts';
import { imageRule, isImage, requireRegistry, splitImage } from './image.ts';
import { pointerMoved } from './live.ts';
import type { Minting, MintingBase, MintOutcome, Said, StoredRelease } from './registry.ts';
import { fingerprint, Limits, memoryBytes, millicores, type ReleaseContent } from './release.ts';

/**
 * Mints a release of a hook without a deploy. A request means the release that agrees with every part it names
 * (see `MintingBase`). Such a release comes back with `created: false` and nothing moves, so that repeating a request
 * cannot undo a rollback. Otherwise the parts that were left out come from the release that is live under the hook's
 * lock. A new release of another digest needs its own `source_ref`, which belongs to the code.
 *
 * @throws OsaError `not_found`, `invalid` (parts that do not fit together, other code without its source_ref, a
 * directory that was not uploaded, no live release to carry over from), `precondition_failed`, `access_denied`.
 */
export async function release(
  store: Store,
  writer: Writer,
  hookName: string,
  request: ParsedBody<'release'>,
  { registries = [] }: { readonly registries?: readonly string[] } = {},
): Promise<Answer<'release'>> {
  requireScope(writer.principal, 'hooks:write', hookName);
  requireRegistry(registries, request.image, 'image');
  await failpoint('mint.before-lock');
  const minted = await mint(store, writer, hookName, request);
  await failpoint('mint.after-commit');
  return minted;
}

/** So many others may have moved the pointer before this one. */
const mostTries = 100;

/**
 * Other clients wait while the hook is locked, so only the statement that mints does, and it is the whole transaction.
 * The request is completed from an earlier reading. If another client has changed that state, nothing is done, and this
 * begins again.
 */
async function mint(store: Store, writer: Writer, hook: string, request: Given): Promise<Answer<'release'>> {
  const said = saidBy(request);
  for (let tries = 0; tries < mostTries; tries++) {
    const base = await store.registry.mintingBase(hook, said);
    const minting = await completed(store, writer, () => merged(writer.principal, hook, request, base));
    if ('answer' in minting) return minting.answer;
    const minted = await store.mint(writer, minting);
    if (minted.outcome !== 'moved') return answer(hook, request, minted);
  }
  throw new OsaError('busy', `hook ${hook}: others keep moving its live release; repeat the release`);
}

/** An answer under the same key counts, also where the request would be refused by now. */
async function completed(
  store: Store,
  writer: Writer,
  complete: () => Minting,
): Promise<Minting | { readonly answer: Answer<'release'> }> {
  try {
    return complete();
  } catch (error) {
    const answer = writer.idempotency && (await store.answered<Answer<'release'>>(writer));
    if (answer) return { answer };
    throw error;
  }
}

/** @throws OsaError `invalid` for parts that do not fit together */
function saidBy(request: Given): Said {
  const { image, digest } = imageOf(request);
  const { command, limits } = request;
  const config = request.config && { ...request.config, ...request.set };
  const runtime = request.runtime ?? (image ? 'image' : command ? 'directory' : undefined);
  if (runtime) refuseStrays(request, runtime);
  return {
    ...{ runtime, digest, command, config },
    set: config ? undefined : request.set,
    limits: {
      ...(limits?.timeout_seconds !== undefined && { timeout_seconds: limits.timeout_seconds }),
      ...(limits?.memory !== undefined && { memory_bytes: memoryBytes(limits.memory) }),
      ...(limits?.cpu !== undefined && { cpu_millicores: millicores(limits.cpu) }),
    },
  };
}

/** @throws OsaError `not_found`, `invalid`, `access_denied` */
function merged(principal: Principal, hook: string, request: Given, base: MintingBase | undefined): Minting {
  if (!base) throw unknownHook(hook);
  const content = merge(request, base);
  if (request.config === undefined) requireConfigRight(principal, hook, content, base.known ?? base.live);
  return {
    hook,
    content,
    fingerprint: fingerprint(content),
    live: request.live,
    reason: request.reason ?? null,
    seen: base.live?.version ?? null,
    carriesDigest: request.digest === undefined && !request.image?.includes('@'),
    seenReleases: base.releaseCount,
    expected: request,
    told: true,
  };
}

/**
 * Other code could write the config that it is given into rows, which everybody reads. So a config goes to other code only
 * if the caller may read it.
 *
 * @throws OsaError `access_denied`
 */
function requireConfigRight(
  principal: Principal,
  hook: string,
  next: Minting['content'],
  from: StoredRelease | null,
): void {
  if (from === null || Object.keys(from.config).length === 0) return;
  const codeOf = ({ runtime, digest, command }: typeof next) => canonicalJson({ runtime, digest, command });
  if (codeOf(next) === codeOf({ ...from }) || grants(principal, 'runs:read', hook)) return;
  const scope = `runs:read:${hook}`;
  throw new OsaError(
    'access_denied',
    `config: v${from.version} of ${hook} has a config, which may hold secrets; to give it to other code you need the scope ` +
      `${scope} as well, or say the config`,
    { field: 'config', details: { scope } },
  );
}

function answer(hook: string, { digest, image }: Given, minted: MintOutcome): Answer<'release'> {
  switch (minted.outcome) {
    case 'minted':
    case 'known':
      return { ...minted.release, created: minted.outcome === 'minted' };
    case 'unknown':
      throw unknownHook(hook);
    case 'unexpected':
      throw pointerMoved(hook, minted);
    case 'unsourced':
      throw missing('source_ref', 'no release of that code with this config and these limits is known');
    case 'missing':
      throw new OsaError(
        'invalid',
        `digest: ${digest ?? image} is not stored; upload the packed directory first`,
        { field: 'digest' },
      );
    case 'answered':
      return minted.answer;
    case 'moved':
      throw new OsaError('internal', `hook ${hook}: its live release has moved`);
  }
}

type Given = ParsedBody<'release'>;

function merge(request: Given, { live, known }: MintingBase): Minting['content'] {
  const { image, digest } = imageOf(request);
  const from = known ?? live;
  const runtime = request.runtime ?? (image ? 'image' : request.command ? 'directory' : from?.runtime);
  const why = live
    ? `the live release runs ${live.runtime === 'image' ? 'an image' : 'a directory'}`
    : 'there is no live release to carry it over from';
  if (runtime === undefined) throw missing('image or command', why);
  refuseStrays(request, runtime);
  const base = from?.runtime === runtime ? from : undefined;
  if (image && !digest && !(live?.runtime === 'image' && image === live.image)) {
    throw missing('digest', 'an image runs by digest');
  }
  const chosenDigest = digest ?? base?.digest;
  if (chosenDigest === undefined) throw missing('digest', why);
  const named = {
    image: runtime === 'image' ? (image ?? base?.image ?? null) : null,
    command: runtime === 'directory' ? (request.command ?? base?.command ?? null) : null,
  };
  if (runtime === 'image' && named.image === null) throw missing('image', why);
  if (runtime === 'directory' && named.command === null) throw missing('command', why);
  return {
    runtime,
    ...named,
    digest: chosenDigest,
    config: { ...(request.config ?? from?.config), ...request.set },
    limits: mergeLimits(request.limits, from?.limits),
    source_ref: request.source_ref ?? (chosenDigest === from?.digest ? from.source_ref : null),
  };
}

/** `ref@sha256:…` says image and digest at once. @throws OsaError `invalid` for another digest, or two that differ */
function imageOf({ image, digest }: Given): { image: string | undefined; digest: string | undefined } {
  if (image === undefined) return { image, digest };
  const reference = splitImage(image);
  const { name, digest: carried } = reference;
  if (!isImage(reference)) {
    throw new OsaError('invalid', `image: ${JSON.stringify(image)} ${imageRule}`, { field: 'image' });
  }
  if (carried === undefined) return { image, digest };
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
  const base = live ?? Limits.parse({});
  return {
    timeout_seconds: update?.timeout_seconds ?? base.timeout_seconds,
    memory: update?.memory ?? base.memory,
    cpu: update?.cpu ?? base.cpu,
  };
}

function missing(field: string, why: string): OsaError {
  return new OsaError('invalid', `${field}: is needed, since ${why}`, { field });
}
