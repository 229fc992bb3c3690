import { z } from 'zod';
import { asOsaError } from '../../error.ts';
import { readAnswer } from './answer.ts';
import type { Engine } from './engine.ts';

/** The known facts about digests. */
export type KnownPlatforms = Map<string, Known>;

interface Known {
  /** The digest of the platform's manifest in an index; null for a manifest itself, or where nobody answered. */
  readonly platform: string | null;
  /** When it is worth to ask again, by the process's clock in milliseconds. */
  readonly until: number;
}

export interface PlatformQuestion {
  /** `name@digest`. */
  readonly reference: string;
  readonly digest: string;
  /** All digests under which the engine has the image. */
  readonly digests: ReadonlySet<string>;
  readonly os: string;
  readonly architecture: string;
  readonly signal: AbortSignal;
}

const askMs = 5_000;
/** A registry that did not answer is left alone for this long, so that not every start waits for it. */
const askAgainMs = 600_000;

/**
 * The digest of the manifest that an index names for this platform; null where the release's digest is that of a
 * manifest, or when the registry does not answer. The release's digest names the code either way. An engine
 * forgets which of an image's digests is which, so the registry is asked, once for each digest.
 */
export async function platformDigest(
  engine: Engine,
  known: KnownPlatforms,
  question: PlatformQuestion,
): Promise<string | null> {
  const { digest, digests, reference, signal } = question;
  // Podman keeps both digests of an image that came by its index; docker keeps the one that was asked for.
  if (engine.name === 'podman' && digests.size === 1) return null;
  const before = known.get(digest);
  if (before !== undefined && performance.now() < before.until) return before.platform;
  const answer = await engine
    .call(['manifest', 'inspect', '--', reference], { timeoutMs: askMs, signal })
    .then(({ ok, stdout }) =>
      ok ? readAnswer(stdout, index, `the answer to ${engine.name} manifest inspect`) : undefined,
    )
    .catch((error: unknown) => {
      signal.throwIfAborted();
      if (asOsaError(error)?.code === 'unavailable') return undefined;
      throw error;
    });
  const platform = answer ? manifestFor(question, answer) : null;
  known.set(digest, { platform, until: answer ? Infinity : performance.now() + askAgainMs });
  return platform;
}

const member = z.object({
  digest: z.string(),
  platform: z.object({ os: z.string().optional(), architecture: z.string().optional() }).nullish(),
});

/** A manifest by itself has no members. */
const index = z.object({ manifests: z.array(member).nullish() });

function manifestFor(
  { digests, os, architecture }: PlatformQuestion,
  { manifests }: z.output<typeof index>,
): string | null {
  const ours = (manifests ?? []).filter(
    ({ platform }) => platform?.os === os && platform.architecture === architecture,
  );
  const [one] = ours.filter(({ digest }) => digests.has(digest));
  return (one ?? (ours.length === 1 ? ours[0] : undefined))?.digest ?? null;
}
