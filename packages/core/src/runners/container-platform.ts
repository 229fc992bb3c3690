import { asOsaError } from '../error.ts';
import type { Engine } from './engine.ts';

/** What is known of digests: that of the platform's manifest for an index, null for what is a manifest itself. */
export type KnownPlatforms = Map<string, string | null>;

export interface PlatformQuestion {
  /** `name@digest`. */
  readonly reference: string;
  readonly digest: string;
  /** All digests under which the engine has the image. */
  readonly digests: ReadonlySet<string>;
  readonly os: string;
  readonly architecture: string;
}

const askMs = 10_000;

/**
 * The digest of the manifest that an index names for this platform; null where the release's digest is that of a
 * manifest, or when the registry does not answer: what runs is known by the release's digest either way. An engine
 * forgets which of an image's digests is which, so the registry is asked, once for each digest.
 */
export async function platformDigest(
  engine: Engine,
  known: KnownPlatforms,
  question: PlatformQuestion,
): Promise<string | null> {
  const { digest, digests, reference } = question;
  // Podman keeps both digests of an image that came by its index; docker keeps the one that was asked for.
  if (engine.name === 'podman' && digests.size === 1) return null;
  const before = known.get(digest);
  if (before !== undefined) return before;
  const answer = await engine
    .call(['manifest', 'inspect', reference], { timeoutMs: askMs })
    .catch((error: unknown) => {
      if (asOsaError(error)?.code === 'unavailable') return undefined;
      throw error;
    });
  if (!answer?.ok) return null;
  const found = manifestFor(question, JSON.parse(answer.stdout));
  known.set(digest, found);
  return found;
}

interface Index {
  readonly manifests?: readonly {
    readonly digest: string;
    readonly platform?: { readonly os?: string; readonly architecture?: string };
  }[];
}

function manifestFor(
  { digests, os, architecture }: PlatformQuestion,
  { manifests = [] }: Index,
): string | null {
  const ours = manifests.filter(
    ({ platform }) => platform?.os === os && platform.architecture === architecture,
  );
  const [one] = ours.filter(({ digest }) => digests.has(digest));
  return (one ?? (ours.length === 1 ? ours[0] : undefined))?.digest ?? null;
}
