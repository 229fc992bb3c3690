import { z } from 'zod';
import { OsaError } from '../../error.ts';
import { imageRule, isImage, splitImage } from '../../hook/image.ts';
import { hostArchitecture } from '../../system/architecture.ts';
import { imageId, readAnswer } from './answer.ts';
import { type Engine, lastLine } from './engine.ts';
import { type KnownPlatforms, platformDigest } from './platform.ts';

/** An image that is present, under the digest that was asked for. */
export interface PresentImage {
  /** The engine's id of the image that containers are made of: a hash of its content. */
  readonly id: string;
  /** The digest of the manifest for this platform, where the release's digest is that of an index. */
  readonly platformDigest: string | null;
  /** Whether it was found before and not looked for again; somebody may have removed it from the engine since. */
  readonly isRemembered: boolean;
}

/** Facts about digests that are remembered, so that the engine is not asked at each start. */
export interface KnownImages {
  readonly images: Map<string, Inspected>;
  readonly platforms: KnownPlatforms;
  readonly onPull: OnPull;
}

/** Called after each pull: whether the image came, and the seconds that it took. */
export type OnPull = (ok: boolean, seconds: number) => void;

export function knownImages(onPull: OnPull = () => undefined): KnownImages {
  return { images: new Map(), platforms: new Map(), onPull };
}

/** A digest names one content for ever, so only few facts about it are worth to be kept, and the oldest go. */
const mostImages = 1_000;

export interface ImageRequest {
  /** The image's name as it was deployed, perhaps with a tag; only for pulling. */
  readonly image: string | null;
  readonly digest: string;
  readonly pullTimeoutMs: number;
  /** Podman leaves the layers of a pull that is stopped where it has begun to keep them; here they go with the attempt. */
  readonly temporary: string;
  readonly known: KnownImages;
  readonly signal: AbortSignal;
}

/**
 * The image of this very digest: present already, or pulled by it. A tag is never asked for. The engine is asked once for
 * each digest, and again when the image has been forgotten.
 *
 * @throws OsaError `not_found` (the registry has no such digest), `access_denied` (no right to pull), `invalid` (an
 * image that cannot run here), `unavailable`
 */
export async function resolveImage(engine: Engine, request: ImageRequest): Promise<PresentImage> {
  const { signal, digest, known } = request;
  const name = repositoryOf(request.image);
  const reference = `${name}@${digest}`;
  const remembered = known.images.get(digest);
  const image =
    remembered ?? (await inspect(engine, digest, reference)) ?? (await pulled(engine, reference, request));
  requireRunnable(engine, image, reference);
  remember(known, digest, image);
  const { Os: os, Architecture: architecture } = image;
  const question = { reference, digest, digests: digestsOf(image), os, architecture, signal };
  return {
    id: withPrefix(image.Id),
    platformDigest: await platformDigest(engine, known.platforms, question),
    isRemembered: remembered !== undefined,
  };
}

/** The next start of the digest looks for its image again. */
export function forgetImage({ images }: KnownImages, digest: string): void {
  images.delete(digest);
}

function remember({ images }: KnownImages, digest: string, image: Inspected): void {
  const [oldest] = images.keys();
  if (images.size >= mostImages && oldest !== undefined) images.delete(oldest);
  images.set(digest, image);
}

async function pulled(engine: Engine, reference: string, request: ImageRequest): Promise<Inspected> {
  const began = performance.now();
  const tell = (ok: boolean) => request.known.onPull(ok, (performance.now() - began) / 1_000);
  await pull(engine, reference, request).catch((error: unknown) => {
    tell(false);
    throw error;
  });
  tell(true);
  const image = await inspect(engine, request.digest, reference);
  if (image) return image;
  throw new OsaError('unavailable', `${reference} was pulled and is not there`, { details: { reference } });
}

const command = z.union([z.array(z.string()), z.string()]).nullish();

const inspected = z.object({
  Id: imageId,
  Digest: z.string().optional(),
  RepoDigests: z.array(z.string()).nullish(),
  Os: z.string(),
  Architecture: z.string(),
  Config: z.object({ Entrypoint: command, Cmd: command, Volumes: z.looseObject({}).nullish() }).nullish(),
});

type Inspected = z.output<typeof inspected>;

/** The image that has the digest: its manifest's, its index's, or, for one that was never pushed, its own id. */
async function inspect(engine: Engine, digest: string, reference: string): Promise<Inspected | undefined> {
  for (const name of [reference, digest]) {
    const { ok, stdout } = await engine.call(['image', 'inspect', '--', name]);
    const [found] = ok
      ? readAnswer(stdout, z.array(inspected), `the answer to ${engine.name} image inspect`)
      : [];
    if (found && (withPrefix(found.Id) === digest || digestsOf(found).has(digest))) return found;
  }
  return undefined;
}

/** The digests of the image in registries. */
function digestsOf({ Digest, RepoDigests }: Inspected): Set<string> {
  const ofNames = (RepoDigests ?? []).map((name) => name.slice(name.indexOf('@') + 1));
  return new Set([...(Digest ? [Digest] : []), ...ofNames]);
}

/** Podman leaves the prefix of an image's id out, docker does not. */
export function withPrefix(id: string): string {
  return id.startsWith('sha256:') ? id : `sha256:${id}`;
}

function requireRunnable(engine: Engine, image: Inspected, reference: string): void {
  const { Entrypoint, Cmd, Volumes } = image.Config ?? {};
  if (!Entrypoint?.length && !Cmd?.length) {
    throw refused(reference, 'has neither an entrypoint nor a command, so there is nothing to start');
  }
  const platform = `${image.Os}/${image.Architecture}`;
  if (image.Architecture !== '' && platform !== hostPlatform) {
    throw refused(
      reference,
      `is for ${platform}, and this machine is ${hostPlatform}; build it for that, too`,
    );
  }
  // Podman can ignore them; docker would make each a writable directory without a bound.
  if (engine.name === 'docker' && Object.keys(Volumes ?? {}).length > 0) {
    throw refused(reference, 'declares a volume; a hook writes to $OSA_OUT and /tmp only');
  }
}

/** The platform of this machine, as images name it. */
const hostPlatform = `linux/${hostArchitecture}`;

function refused(reference: string, why: string): OsaError {
  return new OsaError('invalid', `the image ${reference} ${why}`, {
    field: 'release.image',
    details: { reference },
  });
}

async function pull(
  engine: Engine,
  reference: string,
  { image, pullTimeoutMs, temporary, signal }: ImageRequest,
): Promise<void> {
  if (image === null) throw refused(reference, 'has no name to pull it by');
  const { ok, stderr } = await engine.call(['pull', '--quiet', '--', reference], {
    timeoutMs: pullTimeoutMs,
    signal,
    temporary,
  });
  if (ok) return;
  const why = lastLine(stderr);
  // Only readers of runs may see the answer of an address: anyone who deploys may name any address.
  const details = { reference, engine: engine.name, answer: why };
  if (absent.test(stderr)) {
    throw new OsaError('not_found', `digest not found: the registry does not have ${reference}`, {
      details,
    });
  }
  if (denied.test(stderr)) {
    throw new OsaError(
      'access_denied',
      `${reference} may not be pulled; log in as the daemon's user with "${engine.name} login"`,
      { details },
    );
  }
  const more = `attempts of runs show the answer, and so does "${engine.name} pull" as the daemon's user`;
  throw new OsaError('unavailable', `pulling ${reference} failed; ${more}`, { details });
}

/**
 * An engine has one exit code for every trouble. The registry's answer is therefore known by its words: the codes of
 * the OCI distribution specification (MANIFEST_UNKNOWN, NAME_UNKNOWN, UNAUTHORIZED, DENIED) as engines print them.
 */
const absent = /manifest[ _]unknown|name[ _]unknown|repository name not known|manifest for \S+ not found/i;
/** The registry's denial, not the operating system's "permission denied" for a socket or a directory of the engine. */
const denied =
  /\bunauthorized\b|authentication required|access to the resource is denied|(?<!permission )\bdenied: |registry: denied|403 \(?forbidden/i;

/**
 * `ghcr.io:443/acme/hook:1.2` → `ghcr.io:443/acme/hook`.
 *
 * @throws OsaError `invalid` for a text that cannot name an image
 */
function repositoryOf(image: string | null): string {
  const reference = splitImage(image ?? 'localhost/osa');
  if (isImage(reference)) return reference.name.replace(/:[^/:]*$/, '');
  throw new OsaError('invalid', `the image ${JSON.stringify(image)} ${imageRule}`, {
    field: 'release.image',
  });
}
