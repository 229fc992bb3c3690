import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { makeDirectories } from '@osa/core/storage/make-directories';
import { systemCode } from '@osa/core/system/error';
import { defineCommand } from '../../command.ts';
import { listedFiles, listedLines } from '../../packing/file-list.ts';
import { fetchCode } from '../../packing/release-code.ts';
import { bold, line } from '../../terminal/paint.ts';
import { text } from '../../terminal/parse.ts';
import { versionArgument } from './move-pointer.ts';

export const hooksCode = defineCommand({
  description:
    'Lists the files of a release that runs a directory, or writes them to a new or empty directory. The bytes are ' +
    "checked against the release's digest.\n\n" +
    'Code may hold secrets, so this needs the scope runs:read for the hook.',
  arguments: {
    hook: { description: "the hook's name" },
    version: { description: 'a version of it' },
  },
  options: {
    out: { value: 'DIR', description: 'write the files to this directory', parse: text(4_096) },
  },
  examples: [
    ['osa hooks code seismic_energy 2', 'which files v2 has'],
    ['osa hooks code seismic_energy 2 --out v2', 'the files themselves'],
  ],
  json: '{"hook_name", "version", "digest", "files": [{"path", "bytes", "executable", "link"}], "out": DIR or null}',
  async run(context, { arguments: { hook, version: given }, options: { out } }) {
    const version = versionArgument('version', given);
    if (out !== undefined) await refuseFull(resolve(context.sources.cwd, out), out);
    const { digest, bytes, entries } = await fetchCode(context.client(), { hook, version });
    if (out !== undefined) await write(resolve(context.sources.cwd, out), bytes);
    const files = listedFiles(entries);
    context.output.result({ hook_name: hook, version, digest, files, out: out ?? null }, [
      line`${bold(`${hook} v${version}`)}  ${digest}`,
      ...listedLines(files),
      ...(out === undefined ? [] : [line`written to ${out}`]),
    ]);
    return undefined;
  },
});

/** @throws OsaError `usage` for a directory that holds something, and for what is not a directory */
async function refuseFull(directory: string, shown: string): Promise<void> {
  const names = await readdir(directory).catch((cause: unknown) => {
    if (systemCode(cause) === 'ENOENT') return [];
    throw new OsaError('usage', `--out: ${shown} cannot be used (${systemCode(cause)})`, {
      field: 'out',
      cause,
    });
  });
  if (names.length === 0) return;
  throw new OsaError('usage', `--out: ${shown} is not empty; name a directory that is new or empty`, {
    field: 'out',
  });
}

async function write(directory: string, bytes: Buffer): Promise<void> {
  const { unpack } = await import('@osa/core/hook/archive/unpack');
  await makeDirectories(directory);
  await unpack(Readable.from([bytes]), directory, { maxBytes: bytes.length, maxFiles: bounds.blobFiles });
}
