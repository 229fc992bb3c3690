import { dirname, resolve } from 'node:path';
import type { DeployRequest } from '@osa/core/convention/convention';
import type { Manifest, ManifestHook, ResolvedRelease } from '@osa/core/convention/manifest';
import { asOsaError, OsaError } from '@osa/core/error';
import type { PackedDirectory } from '@osa/core/hook/pack';
import type { Context } from './command.ts';
import { findSource } from './hook-code.ts';
import type { Image } from './image.ts';
import { readTextFile } from './text-file.ts';

/** A `convention.yaml`, ready to be sent. */
export interface Declaration {
  readonly manifest: Manifest;
  readonly body: DeployRequest;
  /** By hook, the directories that the server has to have first. */
  readonly packed: ReadonlyMap<string, PackedDirectory>;
}

/** An image that was built for a hook of the file; it runs instead of what the file says. */
export interface BuiltImage extends Image {
  readonly hook: string;
}

/**
 * Reads the file and packs the directories of its hooks; nothing is sent.
 *
 * @throws OsaError `usage` with all problems of the file at once, and for an image of a hook that it does not have.
 */
export async function readDeclaration(
  context: Context,
  file: string,
  images: readonly BuiltImage[],
): Promise<Declaration> {
  const path = resolve(context.sources.cwd, file);
  const directory = dirname(path);
  const { parseManifest, deployRequest } = await import('@osa/core/convention/manifest');
  const ifMissing = 'start one with: osa init';
  const text = await readTextFile(path, { shown: file, field: 'file', ifMissing });
  const manifest = withImages(parseManifest(text, { file }), file, images);
  const packed = await packAll(manifest, directory);
  const releases = new Map<string, ResolvedRelease>();
  for (const hook of manifest.hooks) {
    const sourceRef = hook.release.sourceRef ?? (await sourceOf(context, hook, directory));
    const digest = hook.release.kind === 'image' ? hook.release.digest : packed.get(hook.name)?.digest;
    releases.set(hook.name, { digest: digest ?? '', sourceRef });
  }
  return { manifest, packed, body: deployRequest(manifest, releases) };
}

function withImages(manifest: Manifest, file: string, images: readonly BuiltImage[]): Manifest {
  const byHook = new Map(images.map((image) => [image.hook, image]));
  const unknown = [...byHook.keys()].find((name) => manifest.hooks.every((hook) => hook.name !== name));
  if (unknown !== undefined) {
    const names = manifest.hooks.map(({ name }) => name).join(', ') || 'none';
    throw new OsaError('usage', `--release: ${file} has no hook ${unknown}; its hooks: ${names}`, {
      field: 'release',
    });
  }
  if (byHook.size < images.length) {
    throw new OsaError('usage', '--release: a hook is named twice; give each one image', {
      field: 'release',
    });
  }
  const hooks = manifest.hooks.map((hook): ManifestHook => {
    const image = byHook.get(hook.name);
    if (!image) return hook;
    const { sourceRef } = hook.release;
    return { ...hook, release: { kind: 'image', image: image.name, digest: image.digest, sourceRef } };
  });
  return { ...manifest, hooks };
}

async function sourceOf(
  context: Context,
  { name, release }: ManifestHook,
  directory: string,
): Promise<string> {
  const code = release.kind === 'directory' ? resolve(directory, release.directory) : directory;
  return findSource(context, { hook: name, directory: code });
}

/** Packs the directory of each hook that has one, by hook. */
async function packAll(manifest: Manifest, directory: string): Promise<Map<string, PackedDirectory>> {
  const { packDirectory } = await import('@osa/core/hook/pack');
  const packed = new Map<string, PackedDirectory>();
  for (const [index, { name, release }] of manifest.hooks.entries()) {
    if (release.kind !== 'directory') continue;
    try {
      packed.set(name, await packDirectory(resolve(directory, release.directory)));
    } catch (error) {
      const known = asOsaError(error);
      throw known ? manifest.problem(`hooks[${index}].release.directory`, known.message) : error;
    }
  }
  return packed;
}
