import { type HookName, type Packed, packHook } from '../hooks.ts';
import type { Declared, SentRelease } from '../invariants/model.ts';
import { containerMemory, containerSeconds } from '../world/containers.ts';
import type { Part, WorkloadParts } from './plan.ts';

const usualSeconds = 600;

/** Another release of the hook than its newest one: only `part` differs, if there is one already. */
export async function changed(parts: WorkloadParts, hook: HookName, part: Part): Promise<Declared> {
  const { model, images } = parts;
  const known = model.newest.get(hook);
  const declared: Declared = known
    ? { ...known, ...(await another(parts, hook, { part, known })) }
    : {
        code: await freshCode(parts, hook),
        config: model.token('config'),
        argument: images ? '' : model.token('argument'),
        seconds: images ? containerSeconds : usualSeconds,
      };
  model.newest.set(hook, declared);
  return declared;
}

async function another(
  parts: WorkloadParts,
  hook: HookName,
  { part, known }: { readonly part: Part; readonly known: Declared },
): Promise<Partial<Declared>> {
  const { model } = parts;
  switch (part) {
    case 'code':
      return { code: await freshCode(parts, hook) };
    case 'config':
      return { config: model.token('config') };
    case 'command':
      return { argument: model.token('argument') };
    case 'limits':
      return { seconds: known.seconds + 1 };
  }
}

async function freshCode(parts: WorkloadParts, hook: HookName): Promise<Packed> {
  const { client, model, directory, images, registry } = parts;
  const packed = images
    ? named(model.nextImage(images.get(hook) ?? []), registry)
    : await packHook(directory, hook, model.token(hook));
  model.codes.set(packed.digest, { hook, token: packed.token });
  if (packed.bytes) {
    await client.write({
      method: 'PUT',
      path: `/api/v1/blobs/${packed.digest.replace('sha256:', '')}`,
      type: 'application/octet-stream',
      body: packed.bytes,
    });
  }
  return packed;
}

function named(image: Packed, registry: string): Packed {
  return { ...image, image: `${registry}/${image.image}` };
}

/** Notes that a release is asked for; the answer gets the version. */
export function noteRelease(
  { client, model }: WorkloadParts,
  hook: HookName,
  parts: Partial<Declared>,
): SentRelease {
  const sent: SentRelease = { hook, parts, by: client.subject, sentAt: Date.now() };
  model.releases.push(sent);
  return sent;
}

/** The fields of a request that name these parts of a release. */
export function fieldsOf({ code, config, argument, seconds }: Partial<Declared>): {
  readonly release: object;
  readonly config?: object;
  readonly limits?: object;
} {
  const isImage = code?.image !== undefined;
  return {
    release: {
      ...(code && {
        digest: code.digest,
        source_ref: sourceOf(code),
        runtime: isImage ? 'image' : 'directory',
      }),
      ...(isImage && { image: code.image }),
      ...(argument !== undefined && !isImage && { command: ['sh', 'hook.sh', argument] }),
    },
    ...(config !== undefined && { config: { variant: config } }),
    ...(seconds !== undefined && {
      limits: { timeout_seconds: seconds, ...(isImage && { memory: containerMemory }) },
    }),
  };
}

/** A code's source names its token, so that a trace can be compared with the rows. */
export function sourceOf({ token }: { readonly token: string }): string {
  return `git:${token}`;
}
