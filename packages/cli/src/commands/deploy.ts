import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Manifest, ManifestHook, ResolvedRelease } from '@osa/core/convention/manifest';
import { asOsaError, OsaError } from '@osa/core/error';
import type { PackedDirectory } from '@osa/core/hook/pack';
import { systemCode } from '@osa/core/system-error';
import type { Client } from '../client.ts';
import { type Context, defineCommand } from '../command.ts';
import { deployLines } from '../deploy-lines.ts';
import { bytes, counted } from '../format.ts';

export const deploy = defineCommand({
  description:
    'Deploys a convention in one step: schema, hooks, releases and the convention itself, all of it or nothing. ' +
    'Doing it again changes nothing and says so.\n\n' +
    'All problems of the file are told at once, and nothing is sent. Directories of hooks are packed here and ' +
    "uploaded by digest. A release's source_ref comes from the file, else from git, else from CI.\n\n" +
    'A release that is known and not live stays so, that a repeated deploy may not undo a rollback.',
  arguments: { file: { description: 'the declaration', fallback: 'convention.yaml' } },
  options: {
    scope: {
      value: 'SCOPES',
      description:
        'more scopes for the token, separated by commas, such as hooks:write:find_pockets to release a hook of another convention',
      parse: (text: string) => text.split(/[\s,]+/).filter((scope) => scope !== ''),
    },
  },
  examples: [
    ['osa deploy', 'what convention.yaml in this directory declares'],
    ['osa deploy datasets/quakes.yaml --json', 'another file, for a program'],
  ],
  json: '{"slug", "changed", "deploy_id", "schema_id", "hooks", "changes": {"convention", "convention_fields", "schema",\n"hooks": [{"name", "hook", "release", "version", "is_live", "live_version"}], "removed_hooks", "ingester"}, …}',
  async run(context, { arguments: { file }, options: { scope = [] } }) {
    const { output, sources } = context;
    const path = resolve(sources.cwd, file);
    const { parseManifest, deployRequest } = await import('@osa/core/convention/manifest');
    const manifest = parseManifest(await readManifest(path, file), { file });
    const packed = await packAll(manifest, dirname(path));
    const releases = await resolveReleases(context, manifest, { packed, directory: dirname(path) });
    const body = deployRequest(manifest, releases);

    const client = context.client();
    for (const [name, directory] of packed) {
      if (await uploaded(client, manifest.slug, directory)) {
        output.note(`${name}: uploaded ${counted(directory.files, 'file')}, ${bytes(directory.size)}`);
      }
    }
    const answer = await client.call('deploy', { body, resource: manifest.slug, scopes: scope });
    output.result(answer, deployLines(answer));
    return undefined;
  },
});

const maxBytes = 1024 * 1024;

/** @throws OsaError `usage` when there is no such file, or it is none. */
async function readManifest(path: string, file: string): Promise<string> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) throw new OsaError('usage', `${file} is not a file`, { field: 'file' });
    if (stats.size > maxBytes) {
      throw new OsaError('usage', `${file} has ${stats.size} bytes, at most ${maxBytes} are read`, {
        field: 'file',
      });
    }
    return await readFile(path, 'utf8');
  } catch (cause) {
    const code = systemCode(cause);
    if (code === undefined) throw cause;
    const problem = code === 'ENOENT' ? 'is not there; start one with: osa init' : `cannot be read (${code})`;
    throw new OsaError('usage', `${file} ${problem}`, { field: 'file', cause });
  }
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

async function resolveReleases(
  { sources, output }: Context,
  manifest: Manifest,
  {
    packed,
    directory,
  }: { readonly packed: ReadonlyMap<string, PackedDirectory>; readonly directory: string },
): Promise<Map<string, ResolvedRelease>> {
  const { sourceRef } = await import('../source-ref.ts');
  const found = async ({ release }: ManifestHook) =>
    release.sourceRef ??
    (await sourceRef(
      release.kind === 'directory' ? resolve(directory, release.directory) : directory,
      sources.environment,
    ));
  const releases = new Map<string, ResolvedRelease>();
  for (const hook of manifest.hooks) {
    const digest = hook.release.kind === 'image' ? hook.release.digest : packed.get(hook.name)?.digest;
    const ref = await found(hook);
    if (ref === undefined) {
      output.note(
        `${hook.name}: neither git nor CI says where the code comes from; its source_ref is "${unknownSource}"`,
      );
    }
    releases.set(hook.name, { digest: digest ?? '', sourceRef: ref ?? unknownSource });
  }
  return releases;
}

const unknownSource = 'unknown';

/** Whether the directory had to be uploaded; the server may have it already. */
async function uploaded(client: Client, slug: string, { digest, open }: PackedDirectory): Promise<boolean> {
  const params = { sha256: digest.replace(/^sha256:/, '') };
  try {
    await client.call('findBlob', { params, resource: slug });
    return false;
  } catch (error) {
    if (asOsaError(error)?.code !== 'not_found') throw error;
  }
  await client.call('putBlob', { params, resource: slug, upload: { open, replayable: true } });
  return true;
}
