import { defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { type FileDifference, fetchCode, fileDifferences } from '../../packing/release-code.ts';
import { bold, dim, type Line, line } from '../../terminal/paint.ts';
import { showRelease, versionArgument } from './move-pointer.ts';
import { compareReleases, comparisonLines } from './release-differences.ts';

export const hooksDiff = defineCommand({
  description:
    'Compares two releases of a hook: digest, command, config by key, limits and source. Also shows who ' +
    'built each one, when, and how many rows it made. Where the host of the code is known, a link ' +
    'compares the commits.\n\n' +
    "The config may hold secrets. Its keys are compared if your key's tokens may carry runs:read; without " +
    'it, only its digests are.',
  arguments: {
    hook: { description: "the hook's name" },
    a: { description: 'a version, such as 1 or v1' },
    b: { description: 'the other version' },
  },
  options: {
    code: { description: 'name the files that differ as well; needs the scope runs:read' },
  },
  examples: [
    ['osa hooks diff seismic_energy 1 2', 'what v2 changed'],
    ['osa hooks diff seismic_energy 1 2 --code', 'in which files'],
  ],
  json:
    '{"hook_name", "from": {a release}, "to": {a release}, "differences": [{"path", "from", "to"}], "compare_url",\n' +
    '"files": with --code [{"path", "change": "added", "removed" or "changed"}], else null}',
  async run({ client, output }, { arguments: { hook, a, b }, options: { code } }) {
    const [first, second] = [versionArgument('a', a), versionArgument('b', b)];
    const server = client();
    const [from, to] = await Promise.all([
      showRelease(server, hook, first),
      showRelease(server, hook, second),
    ]);
    const files = code ? await changedFiles(server, hook, [first, second]) : null;
    output.result({ hook_name: hook, from, to, ...compareReleases(from, to), files }, [
      line`${bold(hook)}`,
      ...comparisonLines(from, to),
      ...(files === null ? [] : fileLines(files)),
    ]);
    return undefined;
  },
});

async function changedFiles(
  server: Client,
  hook: string,
  [first, second]: readonly [number, number],
): Promise<FileDifference[]> {
  const [before, after] = await Promise.all([
    fetchCode(server, { hook, version: first }),
    fetchCode(server, { hook, version: second }),
  ]);
  return fileDifferences(before, after);
}

function fileLines(files: readonly FileDifference[]): Line[] {
  if (files.length === 0) return [dim('  no file differs')];
  return ['', ...files.map(({ path, change }) => line`  ${change}  ${path}`)];
}
