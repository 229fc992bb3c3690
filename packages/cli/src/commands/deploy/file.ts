import { basename, dirname, resolve } from 'node:path';
import type { DeployRequest } from '@osa/core/convention/convention';
import type { BuiltImage, Manifest, ResolvedRelease } from '@osa/core/convention/manifest/read';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Context } from '../../command.ts';
import { noteWarnings } from '../../packing/file-list.ts';
import type { HookPackage } from '../../packing/hook-package.ts';
import type { Source } from '../../packing/source-ref.ts';
import { readTextFile } from '../text-file.ts';

/** A `convention.yaml`, ready to be sent. */
export interface Declaration {
  readonly manifest: Manifest;
  readonly body: DeployRequest;
  /** By hook, the directories that the server has to have first. */
  readonly packed: ReadonlyMap<string, HookPackage>;
}

/** One image as `--release` gives it. */
export interface HookImage extends BuiltImage {
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
  images: readonly HookImage[],
): Promise<Declaration> {
  const path = resolve(context.sources.cwd, file);
  const directory = dirname(path);
  const { parseManifest, deployRequest } = await import('@osa/core/convention/manifest/read');
  const ifMissing = 'start one with: osa init';
  const text = await readTextFile(path, { shown: file, field: 'file', ifMissing });
  const manifest = parseManifest(text, { file, images: byHook(images) });
  const packed = await packAll(context, manifest, directory);
  const sources = await sourcesOf(context, { file, directory, text });
  const releases = new Map<string, ResolvedRelease>();
  for (const { name, release } of manifest.hooks) {
    const code = packed.get(name);
    const sourceRef =
      release.sourceRef ?? (await (code ? sources.ofPackage(name, code) : sources.ofImage(name)));
    const digest = release.kind === 'image' ? release.digest : code?.digest;
    releases.set(name, { digest: digest ?? '', sourceRef });
  }
  return { manifest, packed, body: deployRequest(manifest, releases, await sources.ofFile()) };
}

/** Where the parts of a declaration come from; a note says why it is not a commit. */
async function sourcesOf(
  context: Context,
  { file, directory, text }: { readonly file: string; readonly directory: string; readonly text: string },
) {
  const { environment } = context.sources;
  const [{ openRepository }, { fileSource, imageSource, notedSource }] = await Promise.all([
    import('../../packing/repository.ts'),
    import('../../packing/source-ref.ts'),
  ]);
  const asked = await openRepository(directory, environment);
  let image: Promise<Source> | undefined;
  return {
    ofPackage: async (hook: string, code: HookPackage) => notedSource(context, hook, await code.source()),
    ofImage: async (hook: string) => {
      image ??= imageSource(asked, environment, context.signal);
      return notedSource(context, hook, await image);
    },
    ofFile: async () => {
      const source = await fileSource(
        asked,
        { name: basename(file), content: Buffer.from(text) },
        environment,
      );
      return source.ref === undefined ? undefined : notedSource(context, file, source);
    },
  };
}

/** @throws OsaError `usage` */
function byHook(images: readonly HookImage[]): ReadonlyMap<string, BuiltImage> {
  const found = new Map(images.map((image) => [image.hook, image]));
  if (found.size === images.length) return found;
  throw new OsaError('usage', '--release: a hook is named twice; give each one image', { field: 'release' });
}

/** Packs the directory of each hook that has one, by hook, and says what looks wrong in it. */
async function packAll(
  context: Context,
  manifest: Manifest,
  directory: string,
): Promise<Map<string, HookPackage>> {
  const { packHook } = await import('../../packing/hook-package.ts');
  const packed = new Map<string, HookPackage>();
  for (const [index, { name, release }] of manifest.hooks.entries()) {
    if (release.kind !== 'directory') continue;
    const { command } = release;
    try {
      const place = resolve(directory, release.directory);
      const { sources, signal: stop } = context;
      const code = await packHook(place, { command, environment: sources.environment, stop });
      noteWarnings(context, name, code);
      packed.set(name, code);
    } catch (error) {
      const known = asOsaError(error);
      if (known?.code === 'interrupted') throw error;
      throw known ? manifest.problem(`hooks[${index}].release.directory`, known.message) : error;
    }
  }
  return packed;
}
