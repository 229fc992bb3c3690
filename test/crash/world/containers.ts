import { buildImage, missing, removeImages } from '../../support/containers/images.ts';
import { startOciRegistry } from '../../support/containers/oci-registry.ts';
import { type HookName, hookNames, type Packed, scriptOf } from '../hooks.ts';

/** Images that a campaign with containers shares: made once, in a registry of its own. */
export interface Containers extends AsyncDisposable {
  /**
   * The codes of each hook, in the order in which a run releases them; after the last the first comes again. All of
   * a hook's have one name, whose tag is moved to the last. The registry's address is for each run to say.
   */
  readonly images: ReadonlyMap<HookName, readonly Packed[]>;
  readonly registryPort: number;
}

/** The memory of a container by its release. Less than a greedy record takes, so that it needs a second try. */
export const containerMemory = '32m';
/** Above what a hook takes with all that a fault holds up, and below what a recovery may. */
export const containerSeconds = 8;
const codesPerHook = 6;

export async function makeContainers(): Promise<Containers> {
  if (missing.length > 0) throw new Error(`containers need ${missing.join(', ')}`);
  await using making = new AsyncDisposableStack();
  const registry = await startOciRegistry();
  making.defer(() => registry.close());
  making.defer(removeImages);
  const images = new Map<HookName, Packed[]>();
  for (const hook of hookNames) {
    const codes: Packed[] = [];
    for (let n = 1; n <= codesPerHook; n += 1) {
      const token = `${hook}-${n}`;
      const { digest } = await registry.push(
        await buildImage({ script: scriptOf(hook, token, { inContainer: true }) }),
        hook,
      );
      codes.push({ token, digest, image: hook, bytes: undefined });
    }
    images.set(hook, codes);
  }
  const made = making.move();
  const registryPort = Number(registry.host.split(':').at(-1));
  return { images, registryPort, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
}
